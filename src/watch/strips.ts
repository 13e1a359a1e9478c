import type { FileHandle } from 'node:fs/promises'
import { readEventImages } from '../run/tensorboard-events.ts'
import { bytesAt } from './log-reader.ts'

/** A picture in one of a run's TensorBoard files. */
export interface Strip {
  readonly file: string
  readonly step: number
  /** `val/layer4/images/0` */
  readonly tag: string
  /** Where its PNG begins in the file, and its length. */
  readonly at: number
  readonly length: number
}

/** An event with all pictures of a test. */
const longestEvent = 64 << 20
const chunk = 1 << 20
const mostStrips = 20_000
const imagesTag = Buffer.from('/images/')

/**
 * The images of each expert that training has stored at every test: strips in TensorBoard's event files. Records have their lengths, so
 * that a file is passed through without decoding it; it is read on where it has grown.
 */
export class Strips {
  /** In the order of their files; of those of the same step and tag the last is valid. */
  strips: Strip[] = []
  #last: Promise<void> = Promise.resolve()
  readonly #read = new Map<string, { at: number; identity: string }>()

  /** @param open - opens one of the run's files */
  constructor(readonly open: (name: string) => Promise<FileHandle | undefined>) {}

  /** Reads what is new in these files; one call after the other. */
  update(names: readonly string[]): Promise<void> {
    this.#last = this.#last.then(() => this.#updateAll(names))
    return this.#last
  }

  async #updateAll(names: readonly string[]): Promise<void> {
    const files = names.filter(name => name.startsWith('events.out.tfevents.')).sort()
    this.strips = this.strips.filter(({ file }) => files.includes(file))
    for (const known of this.#read.keys()) if (!files.includes(known)) this.#read.delete(known)
    for (const name of files) await this.#update(name)
  }

  /** The number of the picture of an expert at a test; null where there is none. */
  numberOf(step: number, tag: string): number | null {
    const number = this.strips.findLastIndex(strip => strip.step === step && strip.tag === tag)
    return number < 0 ? null : number
  }

  /** The PNG of a picture; undefined where it is no longer there. */
  async png(number: number): Promise<Buffer | undefined> {
    const strip = this.strips[number]
    const file = strip === undefined ? undefined : await this.open(strip.file)
    if (strip === undefined || file === undefined) return undefined
    try {
      const bytes = await bytesAt(file, strip.at, strip.length)
      return bytes.length === strip.length && isPng(bytes) ? bytes : undefined
    } finally {
      await file.close()
    }
  }

  async #update(name: string): Promise<void> {
    const file = await this.open(name)
    if (file === undefined) return
    try {
      const { dev, ino, size } = await file.stat()
      const identity = `${dev} ${ino}`
      let state = this.#read.get(name)
      if (state === undefined || state.identity !== identity || size < state.at) {
        state = { at: 0, identity }
        this.#read.set(name, state)
        this.strips = this.strips.filter(strip => strip.file !== name)
      }
      while (state.at < size) {
        const read = await this.#records(file, name, state.at, Math.min(chunk, size - state.at), size)
        if (read === 0) return
        state.at += read
      }
    } finally {
      await file.close()
    }
  }

  /** Passes through whole records; returns their bytes. */
  async #records(
    file: FileHandle,
    name: string,
    from: number,
    length: number,
    size: number,
  ): Promise<number> {
    const bytes = await bytesAt(file, from, length)
    let at = 0
    while (at + 12 <= bytes.length) {
      const long = bytes.readBigUInt64LE(at)
      // Damaged: what follows cannot be found.
      if (long > BigInt(longestEvent)) return at
      const end = at + 16 + Number(long)
      if (end > bytes.length) {
        if (at > 0 || from + end > size) return at
        return await this.#records(file, name, from, end, size)
      }
      const data = bytes.subarray(at + 12, end - 4)
      if (data.includes(imagesTag)) this.#take(name, data, from + at + 12)
      at = end
    }
    return at
  }

  #take(file: string, data: Buffer, begin: number): void {
    try {
      for (const { step, tag, at, length } of readEventImages(data)) {
        if (this.strips.length < mostStrips) this.strips.push({ file, step, tag, at: begin + at, length })
      }
    } catch {
      // A damaged record; the next begins where its length says.
    }
  }
}

function isPng(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).equals(Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))
}
