import { reasonOf } from '../../files/disk.ts'
import type { OnProgress } from '../dataset.ts'
import {
  decoding,
  type ImageBytes,
  readImageWithState,
  type StoredPixels,
  UnreadableImage,
} from '../image.ts'
import type { ImageFile } from '../image-files.ts'
import { mapConcurrently } from '../map-concurrently.ts'
import type { CacheOptions } from './cache-options.ts'
import type { ImageStates } from './image-states.ts'
import { cacheFolderOf, openPixelCache } from './pixel-caches.ts'
import { contentDigestOf, equalBytes, type PixelEntry } from './pixel-entry.ts'
import type { PixelFile, WriteAt } from './pixel-file.ts'

/** How images become pixels. */
export interface Decoder {
  /** What the pixels depend on besides the file. */
  readonly rule: Readonly<Record<string, unknown>>
  /** Bytes of the pixels of one image, at most. */
  readonly slot: number
  /** @throws UnreadableImage */
  decode(source: ImageBytes): Promise<StoredPixels>
}

export interface PixelOptions extends CacheOptions {
  /** Of the files, see `contentIdentity`. */
  readonly content: string
  readonly states: ImageStates
  /** What they are images of, for people. */
  readonly title: string
  /** Most bytes of pixels in memory, where there is no cache. */
  readonly memory: number
  /** Writes to the cache; see {@link WriteAt}. */
  readonly writeAt?: WriteAt | undefined
  readonly progress?: OnProgress | undefined
}

/** The pixels of an image, or why there are none. */
export type Outcome = StoredPixels | UnreadableImage

/**
 * Decodes images when they are first needed, and keeps their pixels: in a file, or where there is no cache in memory, if all fit.
 *
 * Pixels of the cache are those of the image that is there now. The state of the image's file (size, times of modification and change,
 * number in the file system) is as it was when it was decoded; or else the SHA-256 of its content is, for which it is read. A file
 * that was changed within the last seconds before it was decoded has no such state: a further change might not show in its times.
 */
export class DecodedPixels {
  /** Pixels in memory. */
  #held: (StoredPixels | undefined)[] | undefined
  /** 1 for an image whose entry this process has compared with its file, or written. */
  readonly #verified: Uint8Array
  readonly #unreadable = new Map<number, UnreadableImage>()
  readonly #pending = new Map<number, Promise<Outcome>>()
  readonly #groups: ReadonlyMap<string, readonly number[]>
  readonly #file: PixelFile | undefined
  #isFull = false

  private constructor(
    readonly files: readonly ImageFile[],
    readonly decoder: Decoder,
    readonly options: PixelOptions,
    file: PixelFile | undefined,
    /** What was found on opening, for the user. */
    readonly note: string | undefined,
  ) {
    this.#file = file
    this.#held = file === undefined ? this.#memory() : undefined
    this.#groups = groupsOf(files)
    this.#verified = new Uint8Array(files.length)
  }

  static open(files: readonly ImageFile[], decoder: Decoder, options: PixelOptions): DecodedPixels {
    const folder = cacheFolderOf(options.cache)
    if (folder === undefined || files.length === 0)
      return new DecodedPixels(files, decoder, options, undefined, undefined)
    const { content, title } = options
    const key = JSON.stringify({ content, rule: decoder.rule, images: files.length, decoding })
    const facts = { key, title, images: files.length, slot: decoder.slot }
    const { file, note } = openPixelCache(facts, folder, options.cacheLimit, options.writeAt)
    return new DecodedPixels(files, decoder, options, file, note)
  }

  /** Images of which the cache has nothing that is valid. */
  unknown(): readonly number[] {
    return this.files.flatMap((_, image) => (this.#isKnown(image) ? [] : [image]))
  }

  /** The stored size and orientation of an image, where it was decoded before. */
  storedExtent(image: number): StoredPixels['stored'] | undefined {
    const entry = this.#validEntry(image)
    return entry && { ...entry.stored, orientation: entry.orientation }
  }

  /** The pixels of images, or why they cannot be read, in the order that is asked for. */
  async load(images: Iterable<number>): Promise<readonly Outcome[]> {
    const asked = [...images]
    for (const group of new Set(asked.map(image => this.files[image]!.group)))
      if (group !== undefined) await this.#decodeGroup(group, asked)
    return await mapConcurrently(asked, image => this.#one(image))
  }

  /** Decodes images that are not decoded yet. @returns for each why it cannot be read, or its stored size */
  async examine(
    images: readonly number[],
    progress?: OnProgress,
  ): Promise<readonly (UnreadableImage | StoredPixels['stored'])[]> {
    return await mapConcurrently(
      images,
      async image => {
        const known = this.storedExtent(image)
        if (known !== undefined) return known
        const outcome = await this.#one(image)
        return outcome instanceof UnreadableImage ? outcome : outcome.stored
      },
      (done, total) => progress?.({ done, total, what: 'decoding images' }),
    )
  }

  /** Whether pixels are kept in a file. */
  get isCached(): boolean {
    return this.#canWrite
  }

  /** Images that are read together are decoded together, where their pixels can be kept. */
  async #decodeGroup(group: string, asked: readonly number[]): Promise<void> {
    const isNeeded = asked.some(image => this.files[image]!.group === group && !this.#isKnown(image))
    if (!isNeeded || (this.#held === undefined && !this.#canWrite)) return
    const members = this.#groups.get(group)!.filter(image => !this.#isKnown(image))
    const onProgress = members.length < manyImages ? undefined : this.options.progress
    await mapConcurrently(
      members,
      image => this.#one(image).then(() => undefined),
      (done, total) => onProgress?.({ done, total, what: 'decoding images' }),
    )
  }

  /** Each image is decoded once at a time. */
  #one(image: number): Promise<Outcome> {
    const pending = this.#pending.get(image)
    if (pending !== undefined) return pending
    const outcome = this.#find(image).finally(() => this.#pending.delete(image))
    this.#pending.set(image, outcome)
    return outcome
  }

  async #find(image: number): Promise<Outcome> {
    const held = this.#held?.[image] ?? this.#unreadable.get(image)
    if (held !== undefined) return held
    const entry = this.#validEntry(image)
    const outcome = (entry && (await this.#read(image, entry))) ?? (await this.#decode(image))
    if (outcome instanceof UnreadableImage) this.#unreadable.set(image, outcome)
    else if (this.#held !== undefined) this.#held[image] = outcome
    return outcome
  }

  async #decode(image: number): Promise<Outcome> {
    try {
      const { bytes, stamp } = await this.#source(image)
      const source = { bytes, name: this.files[image]!.path }
      if (this.#file === undefined) return await this.decoder.decode(source)
      const contentDigest = contentDigestOf(bytes)
      const entry = await this.#fileRead(file => file.entryNow(image))
      if (entry !== undefined && equalBytes(entry.contentDigest, contentDigest)) {
        const cached = await this.#read(image, entry)
        if (cached !== undefined) {
          await this.#write(file => file.writeEntry(image, { ...entry, stamp }))
          this.#verified[image] = 1
          return cached
        }
      }
      const decoded = await this.decoder.decode(source)
      const { width, height, stored, pixels } = decoded
      const { orientation } = stored
      await this.#write(file =>
        file.write(image, { width, height, stored, orientation, stamp, contentDigest }, pixels),
      )
      this.#verified[image] = 1
      return decoded
    } catch (cause) {
      if (cause instanceof UnreadableImage) return cause
      throw cause
    }
  }

  /** The content of an image, and the state of its file where that tells a later change. */
  async #source(image: number): Promise<{ readonly bytes: Uint8Array; readonly stamp: Float64Array }> {
    const { path, read, container, isElsewhere } = this.files[image]!
    const begun = Date.now()
    if (read !== undefined) {
      const bytes = await read()
      const isThere = container !== undefined && isElsewhere?.() !== true
      return { bytes, stamp: isThere ? stampAt(this.#state(image), begun) : noStamp }
    }
    const { bytes, state } = await readImageWithState(path)
    const { size, mtimeMs, ctimeMs, ino } = state
    return { bytes, stamp: stampAt(Float64Array.of(size, mtimeMs, ctimeMs, ino), begun) }
  }

  async #read(image: number, entry: PixelEntry): Promise<Outcome | undefined> {
    const bytes = await this.#fileRead(file => file.read(image, entry))
    if (bytes === undefined) return undefined
    const { width, height, stored, orientation } = entry
    if (bytes.length !== 3 * width * height) return undefined
    return { pixels: bytes, width, height, stored: { ...stored, orientation } }
  }

  /** What the cache has of the image as it is now. */
  #validEntry(image: number): PixelEntry | undefined {
    const entry = this.#file?.entry(image)
    if (entry === undefined) return undefined
    const state = this.#state(image)
    // NaN, of a file that is missing, is not equal to itself.
    if (this.#verified[image] === 1) return entry
    const isSame = entry.stamp[2] !== 0 && entry.stamp.every((value, i) => value === state[i])
    return isSame ? entry : undefined
  }

  #isKnown(image: number): boolean {
    return (
      this.#held?.[image] !== undefined ||
      this.#unreadable.has(image) ||
      this.#validEntry(image) !== undefined
    )
  }

  #state(image: number): Float64Array {
    return this.options.states.subarray(4 * image, 4 * image + 4)
  }

  get #canWrite(): boolean {
    return this.#file?.isWritable === true && !this.#isFull
  }

  /** A cache that cannot be read is as one that has nothing. */
  async #fileRead<T>(read: (file: PixelFile) => Promise<T | undefined>): Promise<T | undefined> {
    if (this.#file === undefined) return undefined
    return await read(this.#file).catch(() => undefined)
  }

  async #write(write: (file: PixelFile) => Promise<void>): Promise<void> {
    if (!this.#canWrite) return
    try {
      await write(this.#file!)
    } catch (cause) {
      // Many images are decoded at a time.
      if (this.#isFull) return
      this.#isFull = true
      this.#held = this.#memory()
      const what = `decoded images are no longer cached: ${reasonOf(cause)}; training goes on without`
      this.options.progress?.({ done: 1, total: 1, what, isNote: true })
    }
  }

  #memory(): (StoredPixels | undefined)[] | undefined {
    const { length } = this.files
    return length * this.decoder.slot <= this.options.memory ? new Array(length) : undefined
  }
}

/** So many take long enough to be reported. */
const manyImages = 500

const noStamp = new Float64Array(4)

/** Times of files are as fine as the system's clock ticks, in some file systems as seconds. */
const tick = 2500

/** A state that tells whether the file was changed since; zeros for one that was changed just now. */
function stampAt(state: Float64Array, now: number): Float64Array {
  const [, modified, changed] = state
  if (changed === undefined) return noStamp
  const isOld = Math.max(modified!, changed) < now - tick
  return isOld ? state : noStamp
}

function groupsOf(files: readonly ImageFile[]): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>()
  for (const [image, { group }] of files.entries()) {
    if (group === undefined) continue
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [image])
    else members.push(image)
  }
  return groups
}
