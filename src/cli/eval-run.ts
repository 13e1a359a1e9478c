import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { applyOverrides, resolveConfig } from '../run/config.ts'
import { type EvalOptions, evaluateRun } from './engine.ts'
import type { EvalFlags } from './eval.ts'
import { print, printJson } from './output.ts'
import { dataOverrides } from './plan.ts'
import { createProgress } from './progress.ts'
import { accuracyLine, layerTable } from './report.ts'
import { clean, painter } from './screen.ts'

/** `moiety eval` */
export async function runEvaluation(run: string, flags: EvalFlags): Promise<void> {
  const options = await evalOptions(run, flags)
  const progress = createProgress(process.stderr)
  try {
    const result = await evaluateRun({ ...options, onEvent: progress.show })
    progress.end()
    if (flags.json) return printJson(result)
    const paint = painter(process.stdout)
    const what = result.split === 'test' ? 'Accuracy on held-out images' : 'Accuracy on training images'
    print(
      [
        accuracyLine(result, paint, what),
        `${result.images.toLocaleString('en')} images, loss ${result.loss.toFixed(3)}, experts ${clean(result.routing)}`,
        ...result.layers.map(layer => layerTable(layer, paint)),
      ].join('\n\n'),
    )
  } finally {
    progress.end()
  }
}

/** @throws MoietyError of kind `usage` for flags that contradict each other, or a folder that is no run */
export async function evalOptions(run: string, flags: EvalFlags): Promise<EvalOptions> {
  const { split } = flags
  if (split !== 'test' && split !== 'train')
    fail({
      kind: 'usage',
      message: `expected test or train, came "${split}"`,
      where: '--split',
      help: 'leave it out to test on held-out images',
    })
  if (!existsSync(join(run, 'config.json')))
    fail({
      kind: 'usage',
      message: 'this is not a run: expected a folder with config.json',
      where: run,
      help: '`moiety train` says at its end which folder it wrote',
    })
  const chosen = (['k', 'only', 'without', 'equal'] as const).filter(flag => flags[flag] !== undefined)
  const exclusive = chosen.find(flag => flag === 'only' || flag === 'equal')
  if (exclusive !== undefined && chosen.length > 1)
    fail({
      kind: 'usage',
      message: `--${exclusive} leaves nothing to choose, so it excludes --${chosen.filter(flag => flag !== exclusive).join(' and --')}`,
      help: 'give one of them',
    })
  const k = whole(flags.k, '--k', 1)
  const only = whole(flags.only, '--only', 0)
  const without = whole(flags.without, '--without', 0)
  const overrides = await dataOverrides(flags.data)
  const { data } = resolveConfig(applyOverrides({}, overrides), '--data')
  return {
    run,
    split,
    ...(flags.data === undefined ? {} : { data: { name: data.name, directory: data.directory } }),
    ...(k === undefined ? {} : { k }),
    ...(only === undefined ? {} : { only }),
    ...(without === undefined ? {} : { without }),
    ...(flags.equal === undefined ? {} : { equal: flags.equal }),
  }
}

function whole(text: string | undefined, flag: string, from: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d{1,6}$/.test(text) && value >= from) return value
  return fail({
    kind: 'usage',
    message: `expected a whole number from ${from}, came "${text}"`,
    where: flag,
    help:
      flag === '--k' ? 'for example --k 1' : 'experts are counted from 0, as the table of shares shows them',
  })
}
