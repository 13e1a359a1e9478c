/**
 * TensorBoard's event files, for scalars: TFRecord framing (tensorflow/core/lib/io/record_writer.h) around
 * `Event` messages (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { type AppendFile, openAppendFile } from '../files/append-file.ts'
import { listNames } from '../files/atomic-write.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'

/** CRC-32C (Castagnoli), polynomial 0x1EDC6F41 with its bits reversed, one byte at a time. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C of the bytes, as an unsigned number (RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/** TFRecord's masking, which keeps a checksum of data that holds checksums from being weak. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** One TFRecord: length (64 bits), its masked checksum, the data, its masked checksum; little-endian. */
export function encodeRecordFrame(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(data.length + 16)
  const view = new DataView(frame.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(frame.subarray(0, 8)), true)
  frame.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc32c(data), true)
  return frame
}

/** `Event` with its time in seconds since 1970 (field 1), step (2), and what `content` adds. */
function encodeEvent(seconds: number, step: number, content: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Bit64).double(seconds)
  writer.tag(2, WireType.Varint).int64(step)
  content(writer)
  return encodeRecordFrame(writer.finish())
}

/** `Event.file_version` (field 3), which begins every file. */
function versionEvent(seconds: number): Uint8Array {
  return encodeEvent(seconds, 0, writer => writer.tag(3, WireType.LengthDelimited).string('brain.Event:2'))
}

/** `Event.session_log` (7) with status START (field 1 = 1): readers drop earlier events of this step and later. */
function restartEvent(seconds: number, step: number): Uint8Array {
  return encodeEvent(seconds, step, writer =>
    writer.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(1).join(),
  )
}

/** `Event.summary` (5) with one `Summary.Value` (1) a scalar: `tag` (1), `simple_value` (2). */
function scalarsEvent(seconds: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array {
  return encodeEvent(seconds, step, writer => {
    writer.tag(5, WireType.LengthDelimited).fork()
    for (const [tag, value] of Object.entries(scalars)) {
      writer.tag(1, WireType.LengthDelimited).fork()
      writer.tag(1, WireType.LengthDelimited).string(tag)
      writer.tag(2, WireType.Bit32).float(Math.fround(value))
      writer.join()
    }
    writer.join()
  })
}

export interface TensorBoardLog {
  readonly path: string
  /**
   * Appends one event. NaN and infinities are written unchanged; TensorBoard displays them.
   *
   * @param scalars - values by tag, such as `train/loss`; stored as float32
   * @throws MoietyError `disk`; the file then ends with the event before
   */
  scalars(step: number, scalars: Readonly<Record<string, number>>): void
  flush(): void
  close(): void
}

export interface TensorBoardOptions {
  /** Training steps done in the checkpoint that training resumes from: later events of older files are superseded. */
  readonly resumeStep?: number
  readonly disk?: Disk
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * Begins a new `events.out.tfevents.*` file in a run's folder, with the first event: a run that is resumed and has nothing left to do
 * gets none. Its name sorts after those that are there, even
 * if the clock went back, because readers take the files in the order of their names.
 *
 * @throws MoietyError `disk`
 */
export function openTensorBoardLog(run: string, options: TensorBoardOptions = {}): TensorBoardLog {
  const { resumeStep, disk = nodeDisk, now = Date.now } = options
  const stamps = listNames(disk, run).map(name =>
    Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0),
  )
  const stamp = Math.max(Math.floor(now() / 1000), 1 + Math.max(0, ...stamps))
  const host = hostname().replace(/[^\w.-]/g, '-')
  const name = `events.out.tfevents.${String(stamp).padStart(10, '0')}.${host}.${process.pid}.0`
  const path = join(run, name)
  const seconds = (): number => now() / 1000
  let file: AppendFile | undefined
  const begun = (): AppendFile => {
    if (file !== undefined) return file
    file = openAppendFile(disk, path)
    file.append(versionEvent(seconds()))
    if (resumeStep !== undefined) file.append(restartEvent(seconds(), resumeStep + 1))
    return file
  }
  return {
    path,
    scalars: (step, scalars) => begun().append(scalarsEvent(seconds(), step, scalars)),
    flush: () => file?.flush(),
    close: () => file?.close(),
  }
}
