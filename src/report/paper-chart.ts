/** One row of a chart's data, by column. */
export type DataRow = Readonly<Record<string, string | number | null>>

/** A chart as it goes into a document: a file name, what is seen, the numbers behind it, and the drawing for any width. */
export interface PaperChart {
  /** Of its files, without an ending; a slash makes a folder: `layer4-classes/insects`. */
  readonly name: string
  /** What is seen, in words. */
  readonly label: string
  /** What is drawn, a row a mark, in plain numbers: fractions from 0 to 1, bits, pixels. */
  readonly data: readonly DataRow[]
  /**
   * The drawing as SVG.
   *
   * @param width - in CSS pixels, of which 96 are an inch
   */
  paper(width: number): string
}
