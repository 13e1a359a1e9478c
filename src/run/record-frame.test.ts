import { describe, expect, it } from 'vitest'
import { crc32c, encodeRecordFrame, recordsOf } from './record-frame.ts'

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

describe('records', () => {
  const frames = [[1, 2, 3], [], [4]].map(bytes => encodeRecordFrame(Uint8Array.from(bytes)))
  const all = Buffer.concat(frames)
  const read = (bytes: Uint8Array): number[][] => Array.from(recordsOf(bytes), ({ data }) => [...data])

  it('are read as they were written, with where each ends', () => {
    expect(read(all)).toEqual([[1, 2, 3], [], [4]])
    expect(Array.from(recordsOf(all), ({ end }) => end)).toEqual([19, 35, 52])
  })

  it('end before what is truncated or damaged', () => {
    for (let length = 35; length < 52; length++)
      expect(read(all.subarray(0, length))).toEqual([[1, 2, 3], []])
    const damaged = Uint8Array.from(all)
    damaged[12]! ^= 1
    expect(read(damaged)).toEqual([])
  })
})
