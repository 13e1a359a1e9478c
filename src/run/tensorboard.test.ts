import { BinaryReader } from '@bufbuild/protobuf/wire'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryDisk, smallDisk } from '../../test/fake-disks.ts'
import { type EventRecord, readEvents } from '../../test/tensorboard-reader.ts'
import { openTensorBoardLog, type TensorBoardOptions } from './tensorboard.ts'
import { histogramOf } from './tensorboard-events.ts'

const run = '/run'
let disk: MemoryDisk
beforeEach(() => {
  disk = new MemoryDisk()
  disk.makeFolder(run)
})

function eventsIn(path: string): EventRecord[] {
  return readEvents(disk.read(path))
}

describe('an event file', () => {
  it('holds a version and then the scalars, with both checksums of each record right', () => {
    const log = openTensorBoardLog(run, { disk, now: () => 1_700_000_000_500 })
    log.write(1, { 'train/loss': 2.5, 'layer4/importance/0': 0.25 })
    log.write(2 ** 40, { 'train/loss': Number.NaN })
    log.close()
    expect(log.path).toMatch(/^\/run\/events\.out\.tfevents\.1700000000\.[\w.-]+$/)
    const time = 1_700_000_000.5
    expect(eventsIn(log.path)).toEqual([
      { time, step: 0, version: 'brain.Event:2' },
      { time, step: 1, values: { 'train/loss': 2.5, 'layer4/importance/0': 0.25 } },
      { time, step: 2 ** 40, values: { 'train/loss': Number.NaN } },
    ])
    expect(disk.openFiles).toBe(0)
  })

  it('holds histograms and images', () => {
    const log = openTensorBoardLog(run, { disk, now: () => 0 })
    const png = Uint8Array.of(137, 80, 78, 71)
    const histogram = histogramOf([0, 0.4, 1, 3, Number.NaN])!
    log.write(3, { 'val/logits': histogram, 'val/images': { kind: 'image', width: 7, height: 5, png } })
    const [, event] = eventsIn(log.path)
    expect(event!.values).toEqual({
      'val/logits': {
        ...{ min: 0, max: 3, num: 4, sum: 4.4, sumSquares: expect.closeTo(10.16, 12) },
        limits: Array.from({ length: 30 }, (_, i) => expect.closeTo((i + 1) / 10, 12)),
        counts: Array.from({ length: 30 }, (_, i) => Number([0, 4, 10, 29].includes(i))),
      },
      'val/images': { height: 5, width: 7, colours: 3, png: [...png] },
    })
    expect(histogramOf([2, 2])).toMatchObject({ min: 2, max: 2, counts: [2], limits: [2], sum: 4 })
    expect(histogramOf([Number.NaN])).toBeUndefined()
  })

  it('begins with the hyperparameters of the run, once, and ends with the end of the session', () => {
    const hyperparameters = { 'training.epochs': 3, 'model.name': 'resnet18', 'augmentation.flip': true }
    const options: TensorBoardOptions = { disk, hyperparameters, now: () => 5000 }
    const first = openTensorBoardLog(run, options)
    first.write(1, { 'step/loss': 1 })
    first.end(1)
    const second = openTensorBoardLog(run, { ...options, resume: { step: 1, batch: 0 } })
    second.write(2, { 'step/loss': 1 })
    const [, start, , end] = eventsIn(first.path)
    expect(start).toMatchObject({
      step: 0,
      plugins: { '_hparams_/session_start_info': ['hparams', expect.anything()] },
    })
    expect(end).toMatchObject({
      step: 1,
      plugins: { '_hparams_/session_end_info': ['hparams', expect.anything()] },
    })
    expect(hparamsIn(start!.plugins!['_hparams_/session_start_info']![1])).toEqual(hyperparameters)
    expect(eventsIn(second.path).map(({ step, plugins }) => [step, plugins])).toEqual([
      [0, undefined],
      [2, undefined],
      [2, undefined],
    ])
  })

  it('of a resumed training follows earlier files, whose later events are cut off', () => {
    const first = openTensorBoardLog(run, { disk, now: () => 1_700_000_000_000 })
    for (const step of [39, 40, 41]) first.write(step, { 'step/loss': step })
    // The clock went back by a day.
    const resume = { step: 40, batch: 4 }
    const second = openTensorBoardLog(run, { disk, now: () => 1_699_913_600_000, resume })
    second.write(41, { 'step/loss': 2 })
    expect(eventsIn(first.path).map(({ step }) => step)).toEqual([0, 39, 40])
    expect(eventsIn(second.path).slice(1)).toEqual([
      { time: 1_699_913_600, step: 41, sessionStatus: 1 },
      { time: 1_699_913_600, step: 41, values: { 'step/loss': 2 } },
    ])
    expect([second.path, first.path].sort()).toEqual([first.path, second.path])
  })

  it('keeps the summaries of an epoch only where the checkpoint was written after them', () => {
    const write = () => {
      const log = openTensorBoardLog(run, { disk })
      log.write(40, { 'step/loss': 1 })
      log.write(40, { 'val/top1': 0.5 })
      log.write(41, { 'step/loss': 1 })
      return log.path
    }
    const tags = (path: string) => eventsIn(path).map(({ values = {} }) => Object.keys(values)[0])
    const before = write()
    openTensorBoardLog(run, { disk, resume: { step: 40, batch: 8 } })
    expect(tags(before)).toEqual([undefined, 'step/loss'])
    const after = write()
    openTensorBoardLog(run, { disk, resume: { step: 40, batch: 0 } })
    expect(tags(after)).toEqual([undefined, 'step/loss', 'val/top1'])
  })

  it('that was truncated in the middle of an event loses that event alone', () => {
    const log = openTensorBoardLog(run, { disk })
    log.write(1, { 'step/loss': 1 })
    const whole = disk.read(log.path).length
    log.write(2, { 'step/loss': 1 })
    const file = disk.open(log.path, 'r+')
    disk.truncate(file, whole + 9)
    disk.close(file)
    openTensorBoardLog(run, { disk, resume: { step: 2, batch: 0 } })
    expect(disk.read(log.path)).toHaveLength(whole)
  })

  it('of a resumed training has the hyperparameters where a kill left none of them, or a part', () => {
    const hyperparameters = { 'training.epochs': 3 }
    const first = openTensorBoardLog(run, { disk, hyperparameters })
    first.write(1, { loss: 1 })
    for (const length of [60, 40, 0]) {
      const file = disk.open(first.path, 'r+')
      disk.truncate(file, length)
      disk.close(file)
      const next = openTensorBoardLog(run, { disk, hyperparameters, resume: { step: 0, batch: 0 } })
      next.write(1, { loss: 1 })
      const described = eventsIn(next.path).filter(({ plugins }) => plugins !== undefined)
      expect(described, `${length} bytes`).toMatchObject([
        { plugins: { '_hparams_/session_start_info': expect.anything() } },
      ])
      disk.remove(next.path)
    }
  })

  it('is not there before its first event, and never without one', () => {
    const log = openTensorBoardLog(run, { disk, resume: { step: 40, batch: 0 }, hyperparameters: { a: 1 } })
    log.end(40)
    log.flush()
    log.close()
    expect(disk.list(run)).toEqual([])
    expect(disk.openFiles).toBe(0)
  })

  it('ends with a whole record when the disk becomes full in the middle of one', () => {
    const log = openTensorBoardLog(run, { disk: smallDisk(disk, 10, 100) })
    const write = (): void => log.write(1, { loss: 1 })
    write()
    expect(write).toThrow(/the disk is full/)
    expect(eventsIn(log.path)).toHaveLength(2)
  })
})

/** The map of `HParamsPluginData.session_start_info`. */
function hparamsIn(content: Uint8Array): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const reader = new BinaryReader(content)
  const each = (length: number, read: (field: number) => void): void => {
    const end = reader.pos + length
    while (reader.pos < end) read(reader.tag()[0])
  }
  each(content.length, () =>
    each(reader.uint32(), field => {
      if (field === 5) return void reader.double()
      let key = ''
      each(reader.uint32(), part => {
        if (part === 1) key = reader.string()
        else
          each(reader.uint32(), kind => {
            found[key] = kind === 2 ? reader.double() : kind === 3 ? reader.string() : reader.bool()
          })
      })
    }),
  )
  return found
}
