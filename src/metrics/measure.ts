/** A number from 0 to 1 that a task measures on held-out images, and how it is shown. */
export interface MeasureDefinition {
  /** Key in `metrics.jsonl`, `summary.json` and `report.json`. */
  readonly name: string
  /** In a table's title: `top-1 accuracy`. */
  readonly title: string
  /** In a column: `top-1`. */
  readonly label: string
  /** `percent`: 71.3 % top-1; `fraction`: AP 0.713, as the literature gives it. */
  readonly format: 'percent' | 'fraction'
}

/** A measure as text; a dash where there was nothing to measure. */
export function measureText(
  { format }: Pick<MeasureDefinition, 'format'>,
  value: number | null | undefined,
): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return format === 'percent' ? `${(100 * value).toFixed(1)} %` : value.toFixed(3)
}

/**
 * What is measured besides the loss, by name. Of a classifier `top1` and `top5`, fractions of images. Of a detector on
 * training images `classificationLoss` and `regressionLoss`, on held-out images COCO's twelve numbers (`AP`, `AP50`, …),
 * null where there is nothing to measure.
 */
export type Measures = Readonly<Record<string, number | null>>
