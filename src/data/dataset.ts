/** Images of one split (training, validation or test), fetched by number; labels are known without decoding. */
export interface Split {
  readonly length: number
  /**
   * The pixels of some images, in the requested order.
   *
   * @param indices - numbers of images, each in [0, length); repeats are allowed
   * @returns uint8 [indices.length, 3, size, size], planar RGB, 0 … 255
   * @throws MoietyError of kind `data` where an image can no longer be read; RangeError for an index outside
   */
  load(indices: Uint32Array | readonly number[]): Promise<Uint8Array>
  /** int32 [length]: the class of each image. */
  readonly labels: Int32Array
  /** int32 [length]: the superclass of each image, where the dataset has superclasses. */
  readonly coarse: Int32Array | undefined
  /** The file of each image, relative to the data's folder, with `/`; undefined where images have no files of their own. */
  readonly names?: readonly string[] | undefined
}

/** A file that was skipped because it could not be read, under the policy `skip`. */
export interface SkippedFile {
  readonly path: string
  readonly reason: string
}

/** One number for each of red, green and blue. */
export type PerChannel = readonly [number, number, number]

/** Images with their classes, in two splits or three. */
export interface Dataset {
  readonly name: string
  /** A description of the images and their number, for logs. */
  readonly title: string
  /** Height and width of every image, in pixels. */
  readonly size: number
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  /** Names of the superclasses, by coarse label. */
  readonly superclasses: readonly string[] | undefined
  /** The superclass of each class; −1 for a class of which there is no image. */
  readonly superclassOf: readonly number[] | undefined
  /** Mean of pixel/255, for normalisation. */
  readonly mean: PerChannel
  /** Standard deviation of pixel/255, for normalisation. */
  readonly std: PerChannel
  readonly train: Split
  /** Used for testing after each epoch; undefined where the data has none; then `test` is used. */
  readonly val?: Split | undefined
  /** Unused in training if there is a `val`; empty if the data has only that. */
  readonly test: Split
  /**
   * A hash of the content of the files, see `contentIdentity`: where classes and their counts are the same, as of photographs and
   * sketches of the same things, only this distinguishes data sets. Undefined where the data is drawn.
   */
  readonly content?: string | undefined
  /** Files skipped under the policy `skip`, for the caller to report. */
  readonly skipped: readonly SkippedFile[]
  /** Further notes on the data, one sentence each, for the caller to report. */
  readonly notices?: readonly string[] | undefined
}

/** At most this many images of each split. */
export interface Limit {
  readonly train?: number | null | undefined
  /** Of the validation split as well. */
  readonly test?: number | null | undefined
}

/** Progress of a slow part of opening a dataset. */
export interface Progress {
  readonly done: number
  readonly total: number
  /** What is being counted, e.g. `drawing images`. */
  readonly what: string
  /** Whether `what` is a sentence for the user instead, which stays. */
  readonly isNote?: true | undefined
}

/** Called with the progress of a slow part. */
export type OnProgress = (progress: Progress) => void

/** Layout of the images of a split in memory: one record after another, each with some bytes before its pixels. */
export interface Records {
  readonly bytes: Uint8Array
  /** Bytes from the start of one record to the start of the next. */
  readonly stride: number
  /** Bytes in a record before its pixels. */
  readonly header: number
  /** Height and width of an image. */
  readonly size: number
  readonly labels: Int32Array
  readonly coarse: Int32Array | undefined
}

/** A split whose pixels, planar RGB, are already in memory. */
export function splitInMemory({ labels, coarse, ...records }: Records): Split {
  const { length } = labels
  return { length, load: pixelsInMemory({ ...records, length }), labels, coarse }
}

/** The pixels of images that are in memory, planar RGB, as a split loads them. */
export function pixelsInMemory({
  bytes,
  stride,
  header,
  size,
  length,
}: Omit<Records, 'labels' | 'coarse'> & { readonly length: number }): Split['load'] {
  const pixels = 3 * size * size
  return async indices => {
    const out = new Uint8Array(indices.length * pixels)
    for (const [position, index] of indices.entries()) {
      checkIndex(index, length)
      const start = index * stride + header
      out.set(bytes.subarray(start, start + pixels), position * pixels)
    }
    return out
  }
}

/** The images of `split` whose numbers are in `chosen`, renumbered from 0 in that order. */
export function subset(split: Split, chosen: Uint32Array): Split {
  const { coarse, names } = split
  return {
    length: chosen.length,
    labels: Int32Array.from(chosen, index => split.labels[index]!),
    coarse: coarse && Int32Array.from(chosen, index => coarse[index]!),
    names: names && Array.from(chosen, index => names[index]!),
    load: loadOf(split, chosen),
  }
}

/** Loads the images of a split that were chosen, by their places among the chosen. */
export function loadOf({ load }: Pick<Split, 'load'>, chosen: Uint32Array): Split['load'] {
  return async indices =>
    load(
      Uint32Array.from(indices, index => {
        checkIndex(index, chosen.length)
        return chosen[index]!
      }),
    )
}

/**
 * At most `count` of the images whose classes are `labels`, as evenly spread over the classes as there are
 * images: the first of every class, then the second of every class, and so on. No randomness: a smaller limit
 * keeps some of what a larger one keeps.
 *
 * @returns their numbers, ascending
 */
export function spreadOverClasses(labels: Int32Array, count: number): Uint32Array {
  const seen = new Map<number, number>()
  const turns = Array.from(labels, (label, index) => {
    const turn = seen.get(label) ?? 0
    seen.set(label, turn + 1)
    return { index, label, turn }
  })
  turns.sort((a, b) => a.turn - b.turn || a.label - b.label)
  return Uint32Array.from(turns.slice(0, count), ({ index }) => index).sort()
}

function checkIndex(index: number, length: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new RangeError(`image ${index} of a split that has images 0 … ${length - 1}`)
  }
}
