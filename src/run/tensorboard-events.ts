/**
 * The messages of TensorBoard's event files: `Event` (tensorflow/core/util/event.proto), `Summary`
 * (tensorflow/core/framework/summary.proto) and what the plugin for hyperparameters reads (tensorboard/plugins/hparams/*.proto).
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { encodeRecordFrame } from './record-frame.ts'

/** A distribution of values in bins from the smallest to the largest. */
export interface HistogramSummary {
  readonly kind: 'histogram'
  readonly min: number
  readonly max: number
  readonly count: number
  readonly sum: number
  readonly sumOfSquares: number
  /** Where each bin ends, and how many values are in it. */
  readonly limits: readonly number[]
  readonly counts: readonly number[]
}

/** A picture. */
export interface ImageSummary {
  readonly kind: 'image'
  readonly width: number
  readonly height: number
  readonly png: Uint8Array
}

/** What a plugin keeps in the metadata of a tag. */
interface PluginSummary {
  readonly kind: 'plugin'
  readonly name: string
  readonly content: Uint8Array
}

export type Summary = HistogramSummary | ImageSummary | PluginSummary

/** As many bins as TensorFlow's own histograms have. */
const bins = 30

/** The histogram of those of some values that are finite; undefined where there is none. */
export function histogramOf(values: Iterable<number>): HistogramSummary | undefined {
  const finite = Float64Array.from(values).filter(Number.isFinite)
  if (finite.length === 0) return undefined
  const min = finite.reduce((a, b) => Math.min(a, b))
  const max = finite.reduce((a, b) => Math.max(a, b))
  const width = max === min ? 1 : (max - min) / bins
  const many = max === min ? 1 : bins
  const counts = new Array<number>(many).fill(0)
  for (const value of finite) counts[Math.min(many - 1, Math.floor((value - min) / width))]! += 1
  return {
    kind: 'histogram',
    ...{ min, max, counts },
    count: finite.length,
    sum: finite.reduce((a, b) => a + b, 0),
    sumOfSquares: finite.reduce((a, b) => a + b * b, 0),
    limits: counts.map((_, i) => (i === many - 1 ? max : min + (i + 1) * width)),
  }
}

/** `Event` with its time in seconds since 1970 (field 1), step (2), and what `content` adds, as a record. */
function eventRecord(seconds: number, step: number, content: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Bit64).double(seconds)
  writer.tag(2, WireType.Varint).int64(step)
  content(writer)
  return encodeRecordFrame(writer.finish())
}

/** `Event.file_version` (field 3), which begins every file. */
export function versionEvent(seconds: number): Uint8Array {
  return eventRecord(seconds, 0, writer => writer.tag(3, WireType.LengthDelimited).string('brain.Event:2'))
}

/** `Event.session_log` (7) with status START (field 1 = 1): readers drop earlier events of this step and later. */
export function restartEvent(seconds: number, step: number): Uint8Array {
  return eventRecord(seconds, step, writer =>
    writer.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(1).join(),
  )
}

/** `Event.summary` (5) with a `Summary.Value` (1) for each tag (1). */
export function encodeEvent(
  seconds: number,
  step: number,
  summaries: Readonly<Record<string, number | Summary>>,
): Uint8Array {
  return eventRecord(seconds, step, writer => {
    writer.tag(5, WireType.LengthDelimited).fork()
    for (const [tag, value] of Object.entries(summaries)) {
      writer.tag(1, WireType.LengthDelimited).fork()
      writer.tag(1, WireType.LengthDelimited).string(tag)
      writeValue(writer, value)
      writer.join()
    }
    writer.join()
  })
}

/** `simple_value` (2), `image` (4), `histo` (5) or `metadata` (9) of a `Summary.Value`. */
function writeValue(writer: BinaryWriter, value: number | Summary): void {
  if (typeof value === 'number') {
    writer.tag(2, WireType.Bit32).float(Math.fround(value))
    return
  }
  switch (value.kind) {
    case 'image': {
      const { width, height, png } = value
      writer.tag(4, WireType.LengthDelimited).fork()
      writer.tag(1, WireType.Varint).int32(height)
      writer.tag(2, WireType.Varint).int32(width)
      // Colour space 3 is RGB.
      writer.tag(3, WireType.Varint).int32(3)
      writer.tag(4, WireType.LengthDelimited).bytes(png).join()
      return
    }
    case 'histogram': {
      const { min, max, count, sum, sumOfSquares, limits, counts } = value
      writer.tag(5, WireType.LengthDelimited).fork()
      for (const [field, number] of [min, max, count, sum, sumOfSquares].entries())
        writer.tag(field + 1, WireType.Bit64).double(number)
      for (const [field, numbers] of [limits, counts].entries()) {
        writer.tag(field + 6, WireType.LengthDelimited).fork()
        for (const number of numbers) writer.double(number)
        writer.join()
      }
      writer.join()
      return
    }
    case 'plugin':
      writer.tag(9, WireType.LengthDelimited).fork()
      writer.tag(1, WireType.LengthDelimited).fork()
      writer.tag(1, WireType.LengthDelimited).string(value.name)
      writer.tag(2, WireType.LengthDelimited).bytes(value.content)
      writer.join().join()
  }
}

/** A leaf of a configuration. */
export type Hyperparameter = string | number | boolean

/** Of the event that has the configuration of a run. */
export const startTag = '_hparams_/session_start_info'
const endTag = '_hparams_/session_end_info'

/** `HParamsPluginData` with `session_start_info` (3): `hparams` (1, a map to `google.protobuf.Value`), `start_time_secs` (5). */
export function hparamsStart(
  parameters: Readonly<Record<string, Hyperparameter>>,
  seconds: number,
): Record<string, Summary> {
  const writer = new BinaryWriter()
  writer.tag(3, WireType.LengthDelimited).fork()
  for (const [name, value] of Object.entries(parameters)) {
    writer.tag(1, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.LengthDelimited).string(name)
    writer.tag(2, WireType.LengthDelimited).fork()
    if (typeof value === 'number') writer.tag(2, WireType.Bit64).double(value)
    else if (typeof value === 'string') writer.tag(3, WireType.LengthDelimited).string(value)
    else writer.tag(4, WireType.Varint).bool(value)
    writer.join().join()
  }
  writer.tag(5, WireType.Bit64).double(seconds).join()
  return { [startTag]: { kind: 'plugin', name: 'hparams', content: writer.finish() } }
}

/** `HParamsPluginData` with `session_end_info` (4): `status` (1) SUCCESS, `end_time_secs` (2). */
export function hparamsEnd(seconds: number): Record<string, Summary> {
  const writer = new BinaryWriter()
  writer.tag(4, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(1)
  writer.tag(2, WireType.Bit64).double(seconds).join()
  return { [endTag]: { kind: 'plugin', name: 'hparams', content: writer.finish() } }
}

/** Calls `read` at each field of a message of so many bytes; a field that it does not read is passed over. */
function fieldsOf(reader: BinaryReader): (length: number, read: (field: number) => boolean) => void {
  return (length, read) => {
    const end = reader.pos + length
    while (reader.pos < end) {
      const [field, type] = reader.tag()
      if (!read(field)) reader.skip(type)
    }
  }
}

/** The step of an event and the tags of its summaries. */
export function readEvent(data: Uint8Array): { readonly step: number; readonly tags: readonly string[] } {
  const reader = new BinaryReader(data)
  let step = 0
  const tags: string[] = []
  const each = fieldsOf(reader)
  each(data.length, field => {
    if (field === 2) step = Number(reader.int64())
    else if (field === 5)
      each(reader.uint32(), () => {
        each(reader.uint32(), part => {
          if (part === 1) tags.push(reader.string())
          return part === 1
        })
        return true
      })
    else return false
    return true
  })
  return { step, tags }
}

/** A picture in an event: where its PNG begins in the event's bytes. */
export interface EventImage {
  readonly step: number
  readonly tag: string
  readonly at: number
  readonly length: number
}

/** The pictures of an event. @throws Error where the bytes are none */
export function readEventImages(data: Uint8Array): EventImage[] {
  const reader = new BinaryReader(data)
  let step = 0
  const found: { readonly tag: string; readonly at: number; readonly length: number }[] = []
  const each = fieldsOf(reader)
  const image = (): { readonly at: number; readonly length: number } | undefined => {
    let place: { readonly at: number; readonly length: number } | undefined
    each(reader.uint32(), field => {
      if (field !== 4) return false
      const { byteOffset, length } = reader.bytes()
      place = { at: byteOffset - data.byteOffset, length }
      return true
    })
    return place
  }
  each(data.length, field => {
    if (field === 2) step = Number(reader.int64())
    else if (field === 5)
      each(reader.uint32(), () => {
        let tag = ''
        let place: ReturnType<typeof image>
        each(reader.uint32(), part => {
          if (part === 1) tag = reader.string()
          else if (part === 4) place = image()
          else return false
          return true
        })
        if (place !== undefined) found.push({ tag, ...place })
        return true
      })
    else return false
    return true
  })
  return found.map(one => ({ step, ...one }))
}
