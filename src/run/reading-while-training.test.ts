import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { observedDisk, operationsOf } from '../../test/fake-disks.ts'
import { logOf } from '../analysis/training-history.ts'
import { MoietyError } from '../base/errors.ts'
import { floats } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { outcomeOf } from '../sweep/outcome.ts'
import { outcomesUnless } from '../sweep/run-sweep.ts'
import { chosenCheckpoint } from '../tasks/choose-checkpoint.ts'
import { checkpointIdentity } from '../tasks/open-run.ts'
import { latestCheckpoint, listCheckpoints, writeCheckpoint } from './checkpoint.ts'
import { acquireLock } from './lock.ts'
import { encodeLine, metricsPath, readMetrics } from './metrics-log.ts'

/** Reading a run while its training writes checkpoints and removes the former ones. */

let run: string
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'moiety-pruning-'))
})
afterEach(() => rmSync(run, { recursive: true, force: true }))

/** The training's next step: each step's tensors, in both files, hold its number. */
function write(step: number, mark = 0): void {
  const state = new Map([
    ['fc.weight', floats([3], [step, mark, 1])],
    ['optimizer.m', floats([2], [step, mark])],
  ])
  writeCheckpoint(run, { step, epoch: 0, batch: step, config: 'c', state }, { keep: 1 })
}

const read = (disk = nodeDisk) => latestCheckpoint(run, { fallback: false, disk }).checkpoint

/** Every step that the tensors of a checkpoint are of, and what `state.json` says: a single one, unless they are mixed. */
function contentOf(checkpoint: ReturnType<typeof read>): {
  readonly steps: number[]
  readonly marks: number[]
} {
  const of = (place: number) => [...(checkpoint?.state.values() ?? [])].map(({ data }) => Number(data[place]))
  return { steps: [...new Set([checkpoint?.step ?? -1, ...of(0)])], marks: [...new Set(of(1))] }
}

describe('the newest checkpoint, read while the run trains,', () => {
  it.each([1, 2, 5])(
    'is whole when it is removed before any operation of reading, %i times in a row',
    times => {
      write(1)
      const operations = operationsOf(nodeDisk, disk => read(disk)).length
      for (let at = 0; at < operations; at++) {
        let step = listCheckpoints(run).at(-1)!.step
        let left = times
        const training = observedDisk(nodeDisk, (_, index) => {
          if (index < at || left-- <= 0) return
          write(++step)
        })
        const { steps } = contentOf(read(training))
        expect(steps, `before operation ${at}`).toHaveLength(1)
        expect(steps[0]).toBeGreaterThanOrEqual(step - times)
      }
    },
  )

  it('is never a mixture of two of the same step, when the later is written before any operation of reading', () => {
    write(1)
    const operations = operationsOf(nodeDisk, disk => read(disk)).length
    for (let at = 0; at < operations; at++) {
      write(1, 2 * at)
      const resumed = observedDisk(nodeDisk, (_, index) => {
        if (index === at) write(1, 2 * at + 1)
      })
      const { marks } = contentOf(read(resumed))
      expect(marks, `before operation ${at}`).toHaveLength(1)
    }
  })

  it('is found between the two renames that replace it', () => {
    write(1)
    const folder = join(run, 'checkpoints')
    renameSync(join(folder, 'step-000001'), join(folder, '.replaced-step-000001'))
    expect(read()?.step).toBe(1)
    expect(listCheckpoints(run)).toEqual([])
  })

  it('that is removed faster than it can be read ends in a message that says so, not in damage', () => {
    write(1)
    let step = 1
    const racing = observedDisk(nodeDisk, operation => {
      if (operation === 'read') write(++step)
    })
    expect(() => read(racing)).toThrow(MoietyError)
    expect(() => read(racing)).toThrow(/is training and removes its checkpoints faster than they can be read/)
  })

  it('has an identity that stays when the training has removed its files', () => {
    write(1)
    const first = chosenCheckpoint(run)
    write(2)
    const second = chosenCheckpoint(run)
    expect(listCheckpoints(run).map(place => place.step)).toEqual([2])
    expect(checkpointIdentity(first)).toMatch(/^[0-9a-f]{64}$/)
    expect(checkpointIdentity(second)).not.toBe(checkpointIdentity(first))
    expect(checkpointIdentity(chosenCheckpoint(run))).toBe(checkpointIdentity(second))
  })
})

describe('what else a reader finds while the run trains', () => {
  const line = (step: number): string => encodeLine({ kind: 'epoch', split: 'test', epoch: step, step })

  it('a log that is cut and appended to between two parts of one reading is read again', () => {
    const path = metricsPath(run)
    const log = new TextEncoder().encode(`${line(1)}\n${line(2)}\n`)
    let reads = 0
    const disk: Disk = {
      ...nodeDisk,
      read: () => (reads++ === 0 ? log.with(30, 10) : log),
    }
    expect(readMetrics(path, disk).map(({ step }) => step)).toEqual([1, 2])
    expect(reads).toBe(2)
    expect(() => readMetrics(path, { ...nodeDisk, read: () => log.with(30, 10) })).toThrow(/line 1/)
  })

  it('of its log, what came after the checkpoint is left out', () => {
    writeFileSync(metricsPath(run), `${line(1)}\n${line(2)}\n${line(3)}\n`)
    expect(logOf(run, 2, () => undefined).map(({ step }) => step)).toEqual([1, 2])
  })

  it('the outcomes of a sweep are left unread at a signal', async () => {
    const runs = ['a', 'b', 'c'].map(name => ({ name, hash: '' }))
    const stop = new AbortController()
    expect((await outcomesUnless(stop.signal, run, runs)).size).toBe(3)
    setImmediate(() => stop.abort('SIGINT'))
    await expect(outcomesUnless(stop.signal, run, runs)).rejects.toBe('SIGINT')
  })

  it('a run that ends while a sweep looks at it is done, not interrupted', () => {
    const config = resolveConfig({}, 'test')
    writeFileSync(join(run, 'config.json'), JSON.stringify(config))
    const summary = { interrupted: false, top1: 0.5, top5: 0.9, seconds: 3, layers: [] }
    const lock = acquireLock(run)
    const ending = observedDisk(nodeDisk, (operation, index) => {
      // As the training does: first its summary, then the lock.
      if (index === 0 || operation !== 'list') return
      writeFileSync(join(run, 'summary.json'), JSON.stringify(summary))
      lock.release()
    })
    const planned = { name: basename(run), hash: '', seed: 0, values: {} }
    const outcome = outcomeOf(dirname(run), planned, undefined, { disk: ending, isPlanned: () => true })
    expect(outcome.status).toBe('done')
  })
})
