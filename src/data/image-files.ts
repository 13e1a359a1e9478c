/** An image of a data set: a file, or a part of a file that holds many. */
export interface ImageFile {
  /** The file, or what stands for it in messages: `train-000000.tar/cat.jpg`. */
  readonly path: string
  /** How many bytes it has; undefined where only reading it says that. */
  readonly bytes?: number | undefined
  /** Reads what is a part of a file. */
  readonly read?: (() => Promise<Uint8Array>) | undefined
}
