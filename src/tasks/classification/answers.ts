import { type Calibration, calibrationOf } from '../../metrics/calibration.ts'
import { confidentMistakes, type Mistake } from '../../metrics/confident-mistakes.ts'
import {
  type ClassScores,
  type ConfusionMatrix,
  classScores,
  confusionMatrix,
  type MacroScores,
  macroScores,
  mostConfused,
} from '../../metrics/confusion.ts'
import { type ExpertsOfImage, expertsOfImage, type RoutedLayer } from '../routing.ts'
import type { TextTable } from '../task.ts'
import { expertsText, number, perCent, reliabilityTable, shortest, shortName } from '../text-tables.ts'

/** What a classifier says of the images of a split, and how sure it is. */
export interface ClassAnswers {
  /** int32 [N]: the class with the largest probability; of equal ones the first. */
  readonly named: Int32Array
  /** float32 [N]: its probability. */
  readonly confidences: Float32Array
}

/** A wrong answer with the experts that computed the image. */
export interface ExplainedMistake extends Mistake {
  /** For each layer, in order. */
  readonly experts: readonly ExpertsOfImage[]
}

/** How the answers are right and wrong, as `eval --json`, the report and its page have it. */
export interface AnswerSummary extends MacroScores {
  /** Images by true class (rows) and by the class that was named (columns). */
  readonly confusion: ConfusionMatrix
  readonly classes: readonly ClassScores[]
  readonly calibration: Calibration
  /** The most confident wrong answers. */
  readonly mistakes: readonly ExplainedMistake[]
}

/** As many mistakes are listed. */
const mostMistakes = 24

/** Summarises the answers of a network. */
export function summarizeAnswers(
  { named, confidences }: ClassAnswers,
  labels: Int32Array,
  routing: readonly RoutedLayer[],
  classes: number,
): AnswerSummary {
  const confusion = confusionMatrix(named, labels, classes)
  const scores = classScores(confusion)
  const right = Uint8Array.from(labels, (label, n) => Number(named[n] === label))
  return {
    ...macroScores(scores),
    confusion,
    classes: scores,
    calibration: calibrationOf(confidences, right),
    mistakes: confidentMistakes(named, confidences, labels, mostMistakes).map(mistake => ({
      ...mistake,
      experts: expertsOfImage(routing, mistake.image),
    })),
  }
}

/** Rows of a table in a terminal. */
const most = { classes: 20, confusions: 8, mistakes: 8 } as const

/** The same as tables for a terminal. */
export function answerTables(
  { classes, confusion, calibration, mistakes, macroF1, balancedAccuracy }: AnswerSummary,
  names: readonly string[],
): TextTable[] {
  const name = (c: number): string => shortName(names[c] ?? `class ${c}`)
  const row = (c: number): string[] => {
    const { images, precision, recall, f1 } = classes[c]!
    return [name(c), String(images), number(precision), number(recall), number(f1)]
  }
  const all = Array.from(classes.keys())
  const isWhole = all.length <= most.classes
  const shown = isWhole ? all : shortest(all, c => classes[c]!.f1, most.classes)
  return [
    {
      title: isWhole ? 'Classes' : `The ${most.classes} classes of ${all.length} with the lowest F1`,
      heads: ['class', 'images', 'precision', 'recall', 'F1'],
      rows: [...shown.map(row), ['mean over classes', '', '', number(balancedAccuracy), number(macroF1)]],
    },
    {
      title: 'Most frequent confusions',
      heads: ['class', 'taken for', 'images', 'of the class'],
      rows: mostConfused(confusion, most.confusions).map(({ label, prediction, images, share }) => [
        name(label),
        name(prediction),
        String(images),
        perCent(share),
      ]),
    },
    reliabilityTable(calibration, 'right'),
    {
      title: 'Most confident mistakes',
      heads: ['image', 'class', 'taken for', 'confidence', 'experts'],
      rows: mistakes
        .slice(0, most.mistakes)
        .map(({ image, label, prediction, confidence, experts }) => [
          String(image),
          name(label),
          name(prediction),
          perCent(confidence),
          expertsText(experts),
        ]),
    },
  ].filter(({ rows }) => rows.length > 0)
}
