/** An image of a data set: a file, or a part of a file that holds many. */
export interface ImageFile {
  /** The file, or what stands for it in messages: `train-000000.tar/cat.jpg`. */
  readonly path: string
  /** How many bytes it has; undefined where only reading it says that. */
  readonly bytes?: number | undefined
  /** Reads what is a part of a file. */
  readonly read?: (() => Promise<Uint8Array>) | undefined
  /** Of a part of a file: the file, whose size and times say whether the part is still the same. Undefined where they do not. */
  readonly container?: string | undefined
  /** Whether it was in another file than the container after all; known when it was read. */
  readonly isElsewhere?: (() => boolean) | undefined
  /** Images of one group are read together, as those of a row group of Parquet; so they are decoded together. */
  readonly group?: string | undefined
}
