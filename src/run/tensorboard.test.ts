import { BinaryReader } from '@bufbuild/protobuf/wire'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryDisk, smallDisk } from '../../test/fake-disks.ts'
import { crc32c, encodeRecordFrame, maskedCrc32c, openTensorBoardLog } from './tensorboard.ts'

const run = '/run'
let disk: MemoryDisk
beforeEach(() => {
  disk = new MemoryDisk()
  disk.makeFolder(run)
})

interface Event {
  time?: number
  step?: number
  version?: string
  scalars?: Record<string, number>
  sessionStatus?: number
}

/** The records of a file, each with both checksums compared. */
function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true))
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)))
    const data = bytes.subarray(at + 12, at + 12 + length)
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc32c(data))
    records.push(data)
    at += 16 + length
  }
  return records
}

/** Calls `field` with the number of each field of the message that begins at the reader. */
function eachField(reader: BinaryReader, length: number, field: (number: number) => void): void {
  const end = reader.pos + length
  while (reader.pos < end) field(reader.tag()[0])
}

function parseEvent(data: Uint8Array): Event {
  const reader = new BinaryReader(data)
  const event: Event = {}
  eachField(reader, data.length, number => {
    if (number === 1) event.time = reader.double()
    else if (number === 2) event.step = Number(reader.int64())
    else if (number === 3) event.version = reader.string()
    else if (number === 5) {
      const scalars: Record<string, number> = {}
      event.scalars = scalars
      eachField(reader, reader.uint32(), () => {
        let tag = ''
        eachField(reader, reader.uint32(), part => {
          if (part === 1) tag = reader.string()
          else scalars[tag] = reader.float()
        })
      })
    } else if (number === 7) {
      eachField(reader, reader.uint32(), () => {
        event.sessionStatus = reader.int32()
      })
    } else throw new Error(`unexpected field ${number}`)
  })
  return event
}

function eventsIn(path: string): Event[] {
  return recordsOf(disk.read(path)).map(parseEvent)
}

describe('crc32c', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c)
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  })

  it('is masked as TFRecord asks: the known beginning of every event file', () => {
    // A file version event has 24 bytes; this length and checksum begin TensorFlow's own files.
    expect([...encodeRecordFrame(new Uint8Array(24)).subarray(0, 12)]).toEqual([
      0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22,
    ])
  })
})

describe('an event file', () => {
  it('holds a version and then the scalars, with both checksums of each record right', () => {
    const log = openTensorBoardLog(run, { disk, now: () => 1_700_000_000_500 })
    log.scalars(1, { 'train/loss': 2.5, 'layer4/importance/0': 0.25 })
    log.scalars(2 ** 40, { 'train/loss': Number.NaN })
    log.close()
    expect(log.path).toMatch(/^\/run\/events\.out\.tfevents\.1700000000\.[\w.-]+$/)
    const time = 1_700_000_000.5
    expect(eventsIn(log.path)).toEqual([
      { time, step: 0, version: 'brain.Event:2' },
      { time, step: 1, scalars: { 'train/loss': 2.5, 'layer4/importance/0': 0.25 } },
      { time, step: 2 ** 40, scalars: { 'train/loss': Number.NaN } },
    ])
    expect(disk.openFiles).toBe(0)
  })

  it('of a resumed training voids later events of earlier files, and sorts behind them', () => {
    const first = openTensorBoardLog(run, { disk, now: () => 1_700_000_000_000 })
    first.scalars(40, { loss: 1 })
    // The clock went back by a day.
    const second = openTensorBoardLog(run, { disk, now: () => 1_699_913_600_000, resumeStep: 40 })
    second.scalars(41, { loss: 2 })
    expect(eventsIn(second.path)[1]).toEqual({ time: 1_699_913_600, step: 41, sessionStatus: 1 })
    expect([second.path, first.path].sort()).toEqual([first.path, second.path])
  })

  it('is not there before its first event, and never without one', () => {
    const log = openTensorBoardLog(run, { disk, resumeStep: 40 })
    log.flush()
    log.close()
    expect(disk.list(run)).toEqual([])
    expect(disk.openFiles).toBe(0)
  })

  it('ends with a whole record when the disk becomes full in the middle of one', () => {
    const log = openTensorBoardLog(run, { disk: smallDisk(disk, 10, 100) })
    const write = (): void => log.scalars(1, { loss: 1 })
    write()
    expect(write).toThrow(/the disk is full/)
    expect(eventsIn(log.path)).toHaveLength(2)
  })
})
