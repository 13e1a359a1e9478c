import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  failingDisk,
  MemoryDisk,
  observedDisk,
  operationsOf,
  type Survival,
  smallDisk,
  systemError,
} from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { floats, type State } from '../base/tensor.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import {
  cleanCheckpoints,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts'

const temporary = mkdtempSync(join(tmpdir(), 'moiety-faults-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

function write(run: string, step: number, disk: Disk, mark = 0): void {
  const state: State = new Map([
    ['fc.weight', floats([4], [step, mark, 2, 3])],
    ['optimizer.m', floats([2], [step, mark])],
  ])
  writeCheckpoint(run, { step, epoch: 0, batch: step, config: 'c', state }, { keep: 2, disk })
}

function markOf(checkpoint: { readonly state: State } | undefined): unknown {
  return checkpoint?.state.get('fc.weight')?.data[1]
}

/** A run with the checkpoints of steps 10 and 20, where the next one also prunes. */
function runWithTwo(disk: Disk, name = '/run'): string {
  disk.makeFolder(name)
  disk.flushFolder(dirname(name))
  write(name, 10, disk)
  write(name, 20, disk)
  return name
}

/** Every listed checkpoint is readable; after the clean-up on opening there is nothing else. */
function checkFolder(run: string, disk: Disk): number[] {
  for (const { path } of listCheckpoints(run, disk)) readCheckpoint(path, disk)
  cleanCheckpoints(run, disk)
  const places = listCheckpoints(run, disk)
  for (const { path } of places) readCheckpoint(path, disk)
  expect(disk.list(join(run, 'checkpoints'))).toHaveLength(places.length)
  return places.map(({ step }) => step)
}

/** Step 30 is new; step 20 is there already and is replaced. */
const cases = [
  ['a new checkpoint', 30],
  ['a checkpoint of the same step', 20],
] as const

describe.each(cases)('writing %s', (_, step) => {
  const sample = new MemoryDisk()
  runWithTwo(sample)
  const done = operationsOf(sample, disk => write('/run', step, disk, 1))
  const operations = done.length

  const codes = ['ENOSPC', 'EIO', 'EMFILE', 'EROFS', 'EACCES'] as const
  it.each(codes)('with %s at any one operation leaves the earlier ones intact', code => {
    for (let at = 0; at < operations; at++) {
      for (const lasting of [false, true]) {
        const disk = new MemoryDisk()
        const run = runWithTwo(disk)
        let error: unknown
        try {
          write(run, step, failingDisk(disk, at, code, lasting), 1)
        } catch (cause) {
          error = cause
        }
        if (!(error instanceof MoietyError)) throw error ?? new Error(`operation ${at} cannot fail`)
        expect(error.kind).toBe('disk')
        expect(error.message).toMatch(new RegExp(`cannot .* /run.*\\(${code}\\); 1\\.5 MB free there`))
        expect(error.help).toBeDefined()
        // A close that fails has closed the file all the same, but not in the model.
        if (!lasting && done[at] !== 'close') expect(disk.openFiles).toBe(0)

        // Where the clean-up could work, nobody need open the run to find the earlier ones.
        if (!lasting) expect(listCheckpoints(run, disk).map(place => place.step)).toContain(20)
        const steps = checkFolder(run, disk)
        expect(steps).toContain(20)
        const latest = latestCheckpoint(run, { fallback: false, disk }).checkpoint
        expect(latest?.step).toBeGreaterThanOrEqual(20)
        write(run, step, disk, 1)
        expect(markOf(latestCheckpoint(run, { fallback: false, disk }).checkpoint)).toBe(1)
      }
    }
  })

  it('with EIO at any one operation of the real disk leaves the earlier ones intact', () => {
    for (let at = 0; at < operations; at++) {
      const run = runWithTwo(nodeDisk, join(temporary, `${step}-${at}`))
      const attempted = (): void => write(run, step, failingDisk(nodeDisk, at, 'EIO', false), 1)
      expect(attempted).toThrow(MoietyError)
      expect(checkFolder(run, nodeDisk)).toContain(20)
    }
  })

  it('on a disk that takes few bytes at once gives the same bytes', () => {
    const whole = new MemoryDisk()
    const parts = new MemoryDisk()
    write(runWithTwo(whole), step, whole, 1)
    write(runWithTwo(parts), step, smallDisk(parts, 7), 1)
    const folder = `/run/checkpoints/step-0000${step}`
    for (const file of whole.list(folder)) {
      expect(parts.read(join(folder, file))).toEqual(whole.read(join(folder, file)))
    }
  })

  it('on a disk that becomes full after any number of bytes leaves the earlier ones intact', () => {
    const folder = `/run/checkpoints/step-0000${step}`
    const whole = new MemoryDisk()
    write(runWithTwo(whole), step, whole, 1)
    const needed = whole.list(folder).reduce((sum, file) => sum + whole.size(join(folder, file)), 0)
    for (let capacity = 0; capacity < needed; capacity += 13) {
      const disk = new MemoryDisk()
      const run = runWithTwo(disk)
      expect(() => write(run, step, smallDisk(disk, 100, capacity), 1)).toThrow(/the disk is full \(ENOSPC\)/)
      expect(disk.list('/run/checkpoints').sort()).toEqual(['step-000010', 'step-000020'])
      expect(markOf(readCheckpoint('/run/checkpoints/step-000020', disk))).toBe(0)
      checkFolder(run, disk)
    }
  })

  const survivals: readonly (readonly [string, (seed: number) => Survival])[] = [
    ['everything that was not flushed is lost', () => 'nothing'],
    ['names stay and contents that were not flushed are lost', () => 'names'],
    ['contents stay and names that were not flushed are lost', () => 'contents'],
    [
      'of what was not flushed, some is lost',
      seed => {
        const source = draws(seed, 'power cut')
        return () => source.uniform() < 0.5
      },
    ],
  ]
  it.each(survivals)('through a power cut at any operation leaves a complete one: %s', (_, survivalOf) => {
    const seeds = [...Array(8).keys()]
    for (let at = 0; at <= operations; at++) {
      for (const seed of seeds) {
        const disk = new MemoryDisk()
        const run = runWithTwo(disk)
        let finished = false
        try {
          write(
            run,
            step,
            observedDisk(disk, (_, index) => {
              if (index >= at) throw systemError('ESHUTDOWN')
            }),
            1,
          )
          finished = true
        } catch (cause) {
          if (!(cause instanceof MoietyError)) throw cause
        }
        expect(finished).toBe(at === operations)
        disk.cutPower(survivalOf(seed * 1000 + at))
        cleanCheckpoints(run, disk)
        const { checkpoint } = latestCheckpoint(run, { fallback: true, disk })
        expect(checkpoint?.step).toBeGreaterThanOrEqual(20)
        if (finished) expect([checkpoint?.step, markOf(checkpoint)]).toEqual([step, 1])
      }
    }
  })
})

describe('after the last flush of the folder', () => {
  it('a new checkpoint is what a power cut leaves, whatever of the pruning is lost', () => {
    const disk = new MemoryDisk()
    const run = runWithTwo(disk)
    const done = operationsOf(disk, watched => write(run, 30, watched))
    disk.cutPower('nothing')
    cleanCheckpoints(run, disk)
    expect(latestCheckpoint(run, { fallback: false, disk }).checkpoint?.step).toBe(30)
    // Three files, the temporary folder, the folder above after the rename and after the pruning.
    expect(done.filter(operation => operation === 'flush')).toHaveLength(3)
    expect(done.filter(operation => operation === 'flushFolder').length).toBeGreaterThanOrEqual(3)
  })
})
