import { type Calibration, calibrationOf } from '../../metrics/calibration.ts'
import { type LabelMistake, labelMistakes } from '../../metrics/confident-mistakes.ts'
import { type ExpertsOfImage, expertsOfImage, type RoutedLayer } from '../routing.ts'
import type { TextTable } from '../task.ts'
import { expertsText, perCent, reliabilityTable, shortName } from '../text-tables.ts'

/** A wrong label with the experts that computed the image. */
export interface ExplainedLabelMistake extends LabelMistake {
  /** For each layer, in order. */
  readonly experts: readonly ExpertsOfImage[]
}

/** How labels are right and wrong, as `eval --json`, the report and its page have it. */
export interface LabelSummary {
  /** Of the probabilities of all labels of all images: how many images with such a probability show the class. */
  readonly calibration: Calibration
  /** The most confident mistakes at the thresholds of the classes: labels that are found wrongly, and that are missed. */
  readonly mistakes: {
    readonly found: readonly ExplainedLabelMistake[]
    readonly missed: readonly ExplainedLabelMistake[]
  }
}

/** As many mistakes of each kind are listed. */
const mostMistakes = 12

/** Summarises the labels that a network gives. */
export function summarizeLabels(
  {
    probabilities,
    targets,
  }: { readonly probabilities: ArrayLike<number>; readonly targets: ArrayLike<number> },
  thresholds: readonly number[],
  routing: readonly RoutedLayer[],
): LabelSummary {
  const explained = (mistake: LabelMistake): ExplainedLabelMistake => ({
    ...mistake,
    experts: expertsOfImage(routing, mistake.image),
  })
  const { found, missed } = labelMistakes(probabilities, targets, thresholds, mostMistakes)
  return {
    calibration: calibrationOf(probabilities, targets),
    mistakes: { found: found.map(explained), missed: missed.map(explained) },
  }
}

/** Rows of a table in a terminal. */
const mostRows = 6

/** The same as tables for a terminal. */
export function labelTables({ calibration, mistakes }: LabelSummary, names: readonly string[]): TextTable[] {
  const table = (title: string, own: readonly ExplainedLabelMistake[]): TextTable => ({
    title,
    heads: ['image', 'class', 'probability', 'experts'],
    rows: own
      .slice(0, mostRows)
      .map(({ image, label, probability, experts }) => [
        String(image),
        shortName(names[label] ?? `class ${label}`),
        perCent(probability),
        expertsText(experts),
      ]),
  })
  return [
    reliabilityTable(calibration, 'shown'),
    table('Most confident mistakes: found, but not labelled', mistakes.found),
    table('Most confident mistakes: labelled, but missed', mistakes.missed),
  ].filter(({ rows }) => rows.length > 0)
}
