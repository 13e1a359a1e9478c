import type { LabelledItem, RoutedLayer } from '../tasks/routing.ts'
import type { Evaluated, VariantResult } from '../tasks/task.ts'
import type { PictureOfMisses, PictureOfScene } from './detection/scene-pictures.ts'
import type { Findings, GroupingFindings, LayerFindings } from './findings.ts'
import type { PictureOfImage } from './pictures.ts'

/** How much is analysed. */
export interface AnalysisOptions {
  /** Permutations of each test; 1,000 by default, of a detector 2,000. */
  readonly permutations?: number | undefined
  /** Images in the gallery of an expert of a classifier; 24 by default. */
  readonly gallery?: number | undefined
  /** Images on the map of a classifier's gate; 2,000 by default. */
  readonly mapped?: number | undefined
  /** Scenes of a detector to show; 8 by default. */
  readonly scenes?: number | undefined
  /** Of everything that is drawn at random here; 0 by default. */
  readonly seed?: number | undefined
}

/** Reports how far a part of the work is; throws to end it. */
export type Progress = (what: string, done: number, total: number) => void

/** What a layer's items are grouped by. */
export interface Grouping {
  readonly name: GroupingFindings['name']
  /** Of the groups. */
  readonly names: readonly string[]
  /** Each with its group as its label; −1 for none. */
  readonly items: readonly LabelledItem[]
  /** Whether each group and expert is tested, too. */
  readonly withCells: boolean
}

/** Of a task that gives each image one class. */
export interface Predicted {
  readonly labels: Int32Array
  /** The class that the network as trained gives each image. */
  readonly predictions: Int32Array
}

/** What a page shows of single images; null where the task has no pictures. */
export type Pictures =
  | { readonly task: 'classification' | 'multi-label'; readonly images: readonly PictureOfImage[] }
  | {
      readonly task: 'detection'
      readonly scenes: readonly PictureOfScene[]
      /** Images with objects that were missed. */
      readonly missed: readonly PictureOfMisses[]
    }
  | null

/** A file written with `report.json`. */
export interface TableFile {
  readonly name: string
  readonly bytes: Uint8Array
}

/** What a task adds to the findings that every task has. */
export interface TaskFindings {
  readonly extras: Findings['extras']
  readonly pictures: Pictures
  /** First `routing.parquet`. */
  readonly tables: readonly TableFile[]
}

/** A network and its variants on a split, with what its task knows of them. */
export interface Analysed {
  readonly evaluated: Evaluated
  readonly variants: readonly VariantResult[]
  /** Permutations of each test by default. */
  readonly permutations: number
  readonly perClass: Findings['perClass']
  /** Null of a task that gives an image anything else than one class. */
  readonly predicted: Predicted | null
  /** By what else than class, superclass and level a layer's items are grouped. */
  groupings(layer: RoutedLayer): readonly Grouping[]
  /** @param layers - what every task has of them */
  finish(layers: readonly LayerFindings[], onProgress: Progress): Promise<TaskFindings>
}
