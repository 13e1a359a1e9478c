/** An image whose size is known. */
export interface SizedImage {
  readonly id: number
  readonly name: string
  readonly path: string
  /** In pixels, as in the annotations or, where they have none, in the file. */
  readonly width: number
  readonly height: number
  /** EXIF's, if the file was looked at; otherwise 1. */
  readonly orientation: number
}
