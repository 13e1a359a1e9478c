import type { Pictures } from '../analysis/analysed.ts'
import type { LayerFindings } from '../analysis/findings.ts'
import type { Definition } from './definitions-section.ts'
import type { Markup } from './markup.ts'
import type { Reading } from './reading.ts'

/** Makes the page of one task; null for findings of another. */
export type PageOfTask = (reading: Reading, pictures: Pictures) => TaskPage | null

/** What the page of one task adds to what the pages of all tasks have. */
export interface TaskPage {
  /** Rules in addition to the common ones. */
  readonly style: string
  /** One copy of each picture, which the rest draws from. */
  readonly store: Markup | null
  /** Begins the heading: `Expert roles`, before the run's name. */
  readonly title: string
  /** What the network reaches, after its name: `names 71.3 % of 10 000 images right`. */
  readonly reaches: string
  /** Results in large figures. */
  readonly results: readonly Markup[]
  /** Facts in addition to those of every run. */
  readonly facts: readonly Markup[]
  readonly definitions: readonly Definition[]
  /** What classes count, and what the value of each class is called: `Right`; by default the ranking measure's label. */
  readonly items: 'images' | 'objects'
  readonly classScore?: string
  /** The value of classes together, of a superclass: `71.3 % right`; by default nothing. */
  groupScore?(classes: readonly number[]): string
  /** Whether each expert has a part of the page, which {@link TaskPage.experts} draws. */
  readonly hasExperts: boolean
  /** An expert in one line; muted where there is nothing to say. */
  expertLine(
    layer: LayerFindings,
    index: number,
    expert: number,
  ): { readonly text: string; readonly muted: boolean }
  /** A layer's second sentence: what explains the choice of expert. */
  explained(layer: LayerFindings): string
  /** Stands in a layer before the charts. */
  experts(layer: LayerFindings, index: number): Markup | null
  /** Figures of what experts are given, in addition to those of all tasks. */
  preferences(layer: LayerFindings, index: number): readonly (Markup | null)[]
  /** Figures of accuracy by expert selection. */
  variants(layer: LayerFindings, index: number): readonly Markup[]
  /** Stands in a layer after the charts of preferences. */
  pictures(layer: LayerFindings, index: number): Markup | null
  /** After the layers: how answers are right and wrong, with `answersAnchor` as its id. */
  readonly answers: Markup | null
  /** After the routes of classes. */
  readonly classes: Markup | null
  /** After everything: what opens on demand. */
  readonly dialogs: Markup | null
}
