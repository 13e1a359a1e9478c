import { BinaryReader } from '@bufbuild/protobuf/wire'
import { recordsOf } from '../src/run/record-frame.ts'

/** A histogram, an image, or a scalar of an event. */
export type EventValue =
  | number
  | {
      readonly min: number
      readonly max: number
      readonly num: number
      readonly sum: number
      readonly sumSquares: number
      readonly limits: readonly number[]
      readonly counts: readonly number[]
    }
  | {
      readonly height: number
      readonly width: number
      readonly colours: number
      readonly png: readonly number[]
    }

/** One event of TensorBoard's, decoded by the field numbers of its protocol buffers. */
export interface EventRecord {
  readonly time: number
  readonly step: number
  readonly version?: string
  readonly values?: Readonly<Record<string, EventValue>>
  /** Name and content of a plugin's metadata, by tag. */
  readonly plugins?: Readonly<Record<string, readonly [name: string, content: Uint8Array]>>
  readonly sessionStatus?: number
}

/** All events of a file. @throws for bytes after the last whole record, and for fields that are not known */
export function readEvents(bytes: Uint8Array): EventRecord[] {
  const records = [...recordsOf(bytes)]
  const end = records.at(-1)?.end ?? 0
  if (end !== bytes.length) throw new Error(`${bytes.length - end} bytes after the last whole record`)
  return records.map(({ data }) => parseEvent(data))
}

function parseEvent(data: Uint8Array): EventRecord {
  const reader = new BinaryReader(data)
  const event: { -readonly [K in keyof EventRecord]?: EventRecord[K] } = {}
  const each = (length: number, read: (field: number) => void): void => {
    const end = reader.pos + length
    while (reader.pos < end) read(reader.tag()[0])
  }
  const doubles = (): number[] => {
    const end = reader.uint32() + reader.pos
    const numbers: number[] = []
    while (reader.pos < end) numbers.push(reader.double())
    return numbers
  }
  each(data.length, field => {
    if (field === 1) event.time = reader.double()
    else if (field === 2) event.step = Number(reader.int64())
    else if (field === 3) event.version = reader.string()
    else if (field === 7) each(reader.uint32(), () => (event.sessionStatus = reader.int32()))
    else if (field === 5) {
      const values: Record<string, EventValue> = {}
      const plugins: Record<string, [string, Uint8Array]> = {}
      each(reader.uint32(), () => {
        let tag = ''
        each(reader.uint32(), part => {
          if (part === 1) tag = reader.string()
          else if (part === 2) values[tag] = reader.float()
          else if (part === 4) {
            const image = { height: 0, width: 0, colours: 0, png: [] as number[] }
            each(reader.uint32(), one => {
              if (one === 4) image.png = [...reader.bytes()]
              else image[(['height', 'width', 'colours'] as const)[one - 1]!] = reader.int32()
            })
            values[tag] = image
          } else if (part === 5) {
            const own = { min: 0, max: 0, num: 0, sum: 0, sumSquares: 0, limits: [0], counts: [0] }
            each(reader.uint32(), one => {
              if (one === 6) own.limits = doubles()
              else if (one === 7) own.counts = doubles()
              else own[(['min', 'max', 'num', 'sum', 'sumSquares'] as const)[one - 1]!] = reader.double()
            })
            values[tag] = own
          } else if (part === 9)
            each(reader.uint32(), () => {
              const plugin: [string, Uint8Array] = ['', new Uint8Array()]
              each(reader.uint32(), one => {
                if (one === 1) plugin[0] = reader.string()
                else plugin[1] = reader.bytes()
              })
              plugins[tag] = plugin
            })
          else throw new Error(`unexpected field ${part} of a value`)
        })
      })
      if (Object.keys(values).length > 0) event.values = values
      if (Object.keys(plugins).length > 0) event.plugins = plugins
    } else throw new Error(`unexpected field ${field}`)
  })
  return { time: 0, step: 0, ...event }
}
