import {
  bestScore,
  type CategoryScores,
  type DetectionEvaluation,
  type GroundTruth,
  type MissReason,
  missedObjects,
  missReasons,
  type PrecisionRecallCurves,
  precisionRecallCurves,
  scoresFrom,
} from '../../metrics/detections/index.ts'
import { type ExpertsOfImage, type RoutedLayer, weightsAt } from '../routing.ts'
import type { TextTable } from '../task.ts'
import { number, perCent, shortest, shortName } from '../text-tables.ts'
import type { FoundObject, TrueObject } from './objects.ts'

/** An object that is not found, and why. */
export interface ExplainedMiss {
  /** Number of the image in its split, and of the object in the image. */
  readonly image: number
  readonly object: number
  readonly label: number
  /** Left, top, width, height in pixels of the stored image. */
  readonly box: readonly [number, number, number, number]
  readonly area: number
  /** 0 to 4, P3 to P7: where it is at home; −1 for nowhere. */
  readonly level: number
  readonly reason: MissReason
  /** The class of the detection that is the reason, and its score; null for `unseen`. */
  readonly instead: { readonly label: number; readonly score: number } | null
  /** For each layer, in order, the experts of its level; none where it has no level in a head. */
  readonly experts: readonly ExpertsOfImage[]
}

/** What a detector finds and misses, as `eval --json`, the report and its page have it. */
export interface DetectionSummary {
  /** From the same matching as AP. */
  readonly curves: PrecisionRecallCurves
  /** The score from which F1 at an IoU of 0.5 is highest; null where nothing is found right. */
  readonly score: number | null
  /** What is found from that score up. */
  readonly atScore: {
    readonly all: Omit<CategoryScores, 'id'>
    readonly classes: readonly CategoryScores[]
  } | null
  /** How many objects are missed for each reason, and how many of each class. */
  readonly missed: {
    readonly total: number
    readonly reasons: Readonly<Record<MissReason, number>>
    readonly perClass: readonly number[]
    /** The largest ones, first those of the images with most of them. */
    readonly examples: readonly ExplainedMiss[]
  }
}

/** As many missed objects are listed. */
const mostExamples = 48

/** What it is summarised from. */
interface Detected {
  readonly truth: GroundTruth
  readonly evaluation: DetectionEvaluation
  readonly found: readonly FoundObject[]
  /** Without crowds. */
  readonly objects: readonly TrueObject[]
  readonly routing: readonly RoutedLayer[]
}

/** Summarises what a detector found. Where nothing is right, all that it found counts. */
export function summarizeDetections(
  { truth, evaluation, found, objects, routing }: Detected,
  imageOf: ReadonlyMap<number, number>,
): DetectionSummary {
  const judged = { truth, detections: found, matches: evaluation.matches }
  const score = bestScore(judged)
  const from = score ?? 0
  const misses = missedObjects(judged, from)
  const places = new Map(objects.map(one => [`${one.image} ${one.object}`, one]))
  const perImage = new Map<number, number>()
  const numbered = numbersOf(truth)
  const explained = misses.map(({ annotation, reason, detection }): ExplainedMiss => {
    const { imageId, box, area } = truth.annotations[annotation]!
    const image = imageOf.get(imageId)!
    const object = numbered[annotation]!
    const { label, level } = places.get(`${image} ${object}`)!
    perImage.set(image, (perImage.get(image) ?? 0) + 1)
    const cause = detection === null ? null : found[detection]!
    return {
      ...{ image, object, label, box, area, level, reason },
      instead: cause === null ? null : { label: cause.label, score: cause.score },
      experts: routing.map(layer => (layer.inputs > 1 && level < 0 ? [] : expertsAt(layer, image, level))),
    }
  })
  const order = (a: ExplainedMiss, b: ExplainedMiss): number =>
    perImage.get(b.image)! - perImage.get(a.image)! ||
    a.image - b.image ||
    b.area - a.area ||
    a.object - b.object
  const scored = score === null ? null : scoresFrom(judged, score)
  const count = (has: (miss: ExplainedMiss) => boolean): number => explained.filter(has).length
  return {
    curves: precisionRecallCurves(evaluation.curves),
    score,
    atScore: scored && { all: scored.all, classes: scored.categories },
    missed: {
      total: misses.length,
      reasons: {
        merged: count(({ reason }) => reason === 'merged'),
        class: count(({ reason }) => reason === 'class'),
        score: count(({ reason }) => reason === 'score'),
        place: count(({ reason }) => reason === 'place'),
        unseen: count(({ reason }) => reason === 'unseen'),
      },
      perClass: truth.categories.map((_, c) => count(({ label }) => label === c)),
      examples: explained.toSorted(order).slice(0, mostExamples),
    },
  }
}

/** The number of each annotation among those of its image, which come in order. */
function numbersOf({ annotations }: GroundTruth): number[] {
  const counts = new Map<number, number>()
  return annotations.map(({ imageId }) => {
    const number = counts.get(imageId) ?? 0
    counts.set(imageId, number + 1)
    return number
  })
}

function expertsAt(layer: RoutedLayer, image: number, level: number): ExpertsOfImage {
  return Array.from(weightsAt(layer, image, Math.max(0, level)), (weight, expert) => ({ expert, weight }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.expert - b.expert)
}

/** What a reason means, in a table. */
export const reasonWords: Readonly<Record<MissReason, string>> = {
  merged: 'under a detection of another object of its class',
  class: 'found as another class',
  score: 'found with a lower score',
  place: 'the box overlaps too little (IoU 0.1 to 0.5)',
  unseen: 'not found at all',
}

/** Rows of a table in a terminal. */
const mostClasses = 20

/** The same as tables for a terminal. */
export function detectionTables(
  { score, atScore, missed }: DetectionSummary,
  names: readonly string[],
): TextTable[] {
  const tables: TextTable[] = []
  const name = (c: number): string => shortName(names[c] ?? `class ${c}`)
  if (atScore !== null) {
    const { all, classes } = atScore
    const order = Array.from(classes.keys())
    const isWhole = order.length <= mostClasses
    const shown = isWhole ? order : shortest(order, c => classes[c]!.f1, mostClasses)
    const row = (title: string, one: Omit<CategoryScores, 'id'>): string[] => [
      title,
      String(one.objects),
      String(one.detections),
      ...[one.precision, one.recall, one.f1].map(number),
    ]
    tables.push({
      title: `From a score of ${number(score)} up, where F1 at IoU 0.50 is highest${isWhole ? '' : `: the ${mostClasses} classes of ${order.length} with the lowest F1`}`,
      heads: ['class', 'objects', 'found', 'precision', 'recall', 'F1'],
      rows: [...shown.map(c => row(name(c), classes[c]!)), row('all together', all)],
    })
  }
  if (missed.total > 0)
    tables.push({
      title: `${missed.total.toLocaleString('en')} objects are missed`,
      heads: ['objects', 'of the missed', 'because'],
      rows: missReasons
        .filter(reason => missed.reasons[reason] > 0)
        .map(reason => [
          String(missed.reasons[reason]),
          perCent(missed.reasons[reason] / missed.total),
          reasonWords[reason],
        ]),
    })
  return tables
}
