import { fail } from '../base/errors.ts'
import { applyOverrides, resolveConfig } from '../config/config.ts'
import { type CheckOptions, checkData } from '../data/check/check-data.ts'
import { contactSheets } from '../data/check/contact-sheets.ts'
import { refuseTarget, writeRepairedCopy } from '../data/check/repaired-copy.ts'
import type { OnProgress } from '../data/dataset.ts'
import { writeAtomically } from '../files/atomic-write.ts'
import { nodeDisk } from '../files/disk.ts'
import { renderDataPage } from '../report/data-page.ts'
import { dataCheckText } from './data-check-text.ts'
import type { DataCheckFlags } from './flags.ts'
import { print, printJson, say } from './output.ts'
import { createProgress } from './progress.ts'
import { requireFile } from './run-flags.ts'
import { clean, painter } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'

/** A data set that training refuses, like every other error in data. */
const refused = 3

/** `moiety data check`; returns the exit code. */
export async function runDataCheck(directory: string, flags: DataCheckFlags): Promise<number> {
  const { json, out, repair } = flags
  const reading = readingOf(flags.set)
  if (out !== undefined) requireFile(out, [directory])
  if (repair !== undefined) await refuseTarget(directory, repair)
  const bar = createProgress(process.stderr)
  const progress: OnProgress = event => bar.show({ kind: 'progress', ...event })
  try {
    const { value, signal } = await interruptible(
      async (abort, setUnsaved) => {
        const pass = { progress, signal: abort }
        const check = await checkData(directory, { ...pass, ...reading })
        bar.end()
        if (json) printJson(check.report)
        else print(dataCheckText(check.report, painter(process.stdout)))
        if (out !== undefined) {
          writeAtomically(nodeDisk, out, renderDataPage(check.report, await contactSheets(check)))
          say(`the page is ${clean(out)}`)
        }
        if (repair !== undefined) {
          // From now on there is an unfinished folder to remove.
          setUnsaved(true)
          const copy = await writeRepairedCopy(check, directory, repair, pass).catch(orStopped(abort))
          setUnsaved(false)
          bar.end()
          if (copy !== undefined)
            say(
              `the repaired copy is ${clean(repair)}: ${copy.images} images; ${copy.leftOut} more that can be read are left out`,
            )
        }
        return check.report.usable ? 0 : refused
      },
      () => undefined,
      { startsUnsaved: true },
    )
    return signal === undefined ? value : exitCodeOf(signal)
  } finally {
    bar.end()
  }
}

/** Keys of `data` that say which files are read. */
const readKeys = ['followLinks', 'annotations', 'images'] as const

/** @throws MoietyError `usage` for a key that a check does not read, or an invalid value */
function readingOf(overrides: readonly string[]): Pick<CheckOptions, (typeof readKeys)[number]> {
  if (overrides.length === 0) return {}
  const other = overrides.find(text => !readKeys.some(key => new RegExp(`^data\\.${key}[.=]`).test(text)))
  if (other !== undefined)
    fail({
      kind: 'usage',
      message: `expected one of ${readKeys.map(key => `data.${key}`).join(', ')}, came "${other}"`,
      where: '--set',
      help: 'a check reads all images at their size, so that other keys change nothing',
    })
  const { followLinks, annotations, images } = resolveConfig(applyOverrides({}, overrides), '--set').data
  return { followLinks, annotations: annotations ?? undefined, images: images ?? undefined }
}

/** An error that is only the end that a signal asked for is none. */
function orStopped(abort: AbortSignal): (cause: unknown) => undefined {
  return cause => {
    if (!abort.aborted) throw cause
  }
}
