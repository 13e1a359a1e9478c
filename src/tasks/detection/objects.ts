import type { Detection } from '../../data/coco/results.ts'
import type { LabelledItem } from '../routing.ts'

/** One object that a detector found, in COCO's terms, with where in the pyramid it was found. */
export interface FoundObject extends Detection {
  /** Number of the image in its split. */
  readonly image: number
  /** Its class, from 0. */
  readonly label: number
  /** 0 to 4: P3 to P7. */
  readonly level: number
}

/** One object that is there, crowds apart, with where in the pyramid it is at home. */
export interface TrueObject extends LabelledItem {
  /** Number of the image in its split. */
  readonly image: number
  /** Number among the image's objects. */
  readonly object: number
  readonly label: number
  /** In square pixels of the stored image. */
  readonly area: number
  /** 0 to 4, P3 to P7: the level of the anchor that overlaps it most; −1 where none does. */
  readonly level: number
}
