/** What the images of a data set come with: one class each, any number of classes each, or boxes. */
export type DataTask = 'classification' | 'multi-label' | 'detection'

/** What is known of a data set that comes with Moiety before it is opened. It needs nothing of Node: configurations are read in browsers, too. */
export interface DatasetFacts<Name extends string = string> {
  /** What `data.name` says. */
  readonly name: Name
  readonly task: DataTask
  /** `drawn` from artwork on first use, `fetched` by `moiety data get`, or a `user`'s own, so that the folder says which data it is. */
  readonly source: 'drawn' | 'fetched' | 'user'
  /** In a model card. */
  readonly title: string
  /** In the list of data sets. */
  readonly description: string
  /** The name that model hubs have for it, if they have one. */
  readonly hub?: string
  /** What its folder must hold, and how it is given; of those that are a user's. */
  readonly folder?: { readonly holds: string; readonly help: string }
  /** Height and width of an image, or the longer side of one with boxes, in pixels. */
  readonly size: {
    readonly usual: number
    /** With the stem for photographs. */
    readonly photographs?: number
    /** The least and the most that it can be; left out: any. */
    readonly range?: readonly [least: number, most: number]
  }
  /** Of images that keep their shape: what the shorter side is at most where neither side is given. */
  readonly shortest?: number
}

/** The facts of a data set, with its name as a type. */
export const datasetFacts = <const Name extends string>(facts: DatasetFacts<Name>): DatasetFacts<Name> =>
  facts
