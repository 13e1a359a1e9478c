import { fail } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import { nearest } from '../config/shape.ts'
import type { DatasetFacts } from '../data/datasets/dataset-facts.ts'
import { builtInDatasets, datasets } from '../data/datasets/registry.ts'
import { getCifar } from '../data/index.ts'
import type { GetFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { clean, painter, wrap } from './screen.ts'

/** How a data set of Moiety is given to a command. */
function useOf({ name, source }: DatasetFacts): string {
  if (source === 'drawn') return `--data ${name}`
  return source === 'user' ? '--data DIR' : `moiety data get ${name} --to DIR, then --data DIR`
}

/** `moiety data` */
export function listData(json: boolean): void {
  const own = datasets.added.map(({ name, description }) => ({
    name,
    use: `--data ${name}`,
    what: `${description} (a component of yours)`,
  }))
  const known = builtInDatasets.map(facts => ({
    name: facts.name,
    use: useOf(facts),
    what: facts.description,
  }))
  const all = [...known, ...own]
  if (json) {
    printJson(all)
    return
  }
  const paint = painter(process.stdout)
  print(
    all
      .map(({ name, use, what }) => `${paint.bold(name)}  ${paint.dim(use)}\n${wrap(clean(what), '  ')}`)
      .join('\n\n'),
  )
}

/** `moiety data get` */
export async function getData(name: string, flags: GetFlags): Promise<void> {
  if (name !== 'cifar10' && name !== 'cifar100') {
    const guess = nearest(name, ['cifar10', 'cifar100'])
    fail({
      kind: 'usage',
      message: `"${name}" cannot be downloaded; cifar10 and cifar100 can`,
      help:
        guess === undefined
          ? 'the sample needs no download, and a folder is yours'
          : `did you mean ${guess}?`,
    })
  }
  const progress = createProgress(process.stderr)
  try {
    const directory = await getCifar(name, {
      to: flags.to,
      progress: event => progress.show({ kind: 'progress', ...event }),
    })
    progress.end()
    if (flags.json) printJson({ name, directory })
    else print(`${name} is in ${clean(directory)}; train with --data ${shellWord(directory)}`)
  } finally {
    progress.end()
  }
}
