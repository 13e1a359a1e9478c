import { z } from 'zod'
import { findings } from '../findings.ts'

/**
 * What `moiety explain` finds out about a detector, as `report.json` holds it; told from a classifier's by `kind`.
 *
 * Conventions: those of a classifier's findings. AP and AR are from 0 to 1, areas in square pixels of the stored images.
 * Matrices have groups (levels, sizes, classes) down and experts across. Definitions and chance levels are in
 * `docs/measures.md`.
 */

const maybe = z.number().nullable()
const perExpert = z.array(z.number())
const matrix = z.array(z.array(maybe))

/** Which experts each group is given to: a row for each. */
const affinity = z.object({
  /** Mean weight of each expert; a row sums to 1. */
  weight: matrix,
  /** Share that chose each expert; a row sums to K. */
  activation: matrix,
  /** `weight` ÷ the expert's mean weight over all. Chance: 1. */
  lift: matrix,
})

/** A statistic beside what it is by chance, over permutations. */
const tested = z.object({
  value: z.number(),
  chance: z.number(),
  /** 95th percentile. */
  chance95: z.number(),
  /** (1 + permutations that reach the value) ÷ (1 + permutations). */
  p: z.number(),
  permutations: z.number(),
})

/**
 * For each group and expert the probability that permutations reach its mean weight, one-sided and not corrected for the
 * number of cells; 1 for a group of nothing.
 */
const above = matrix

/** Whether a grouping of objects goes with the experts. */
const tests = z.object({
  /** I(group; expert) in bits, and that ÷ H(expert) over objects; null where one expert has all weight. */
  information: tested,
  share: maybe,
  /** χ² of groups by top expert. */
  chiSquared: tested,
  /** Cramér's V of the same, and without its bias; null where fewer than two groups or experts are there. */
  v: maybe,
  corrected: maybe,
  /** I(group; expert | level): beyond what the level decides. Null where whole images are routed. */
  withinLevel: tested.nullable(),
})

/** COCO's twelve numbers. */
const stats = z.object({
  AP: maybe,
  AP50: maybe,
  AP75: maybe,
  APs: maybe,
  APm: maybe,
  APl: maybe,
  AR1: maybe,
  AR10: maybe,
  AR100: maybe,
  ARs: maybe,
  ARm: maybe,
  ARl: maybe,
})

const perSize = z.tuple([z.number(), z.number(), z.number()])

const layer = z.object({
  name: z.string(),
  /** A position of the backbone, or the gate of a head: shared, classification or regression. */
  place: z.union([z.number(), z.string()]),
  /** E. */
  count: z.number(),
  /** K. */
  k: z.number(),
  constraint: z.string(),
  /** Of each image: 5 levels in a head, 1 in the backbone. Shares are over all of them. */
  inputs: z.number(),
  share: perExpert,
  activation: perExpert,
  cvImportance: z.number(),
  cvActivation: z.number(),
  active: z.number(),
  /** Levels P3 to P7 of all images, and I(level; expert); null where whole images are routed. */
  levels: z.object({ by: affinity, information: tested, share: maybe, above }).nullable(),
  /** How much the routing depends on image and level at all: I(image and level; expert), bits. */
  dependence: findings.shape.layers.element.shape.dependence,
  /** Objects, without those that no anchor overlaps. */
  objects: z.object({
    count: z.number(),
    /** (image, level) that hold them: what is independent. */
    units: z.number(),
    left: z.number(),
  }),
  /** Small, medium and large objects. */
  sizes: z.object({
    objects: perSize,
    by: affinity,
    /** Objects of each size whose top expert it is. */
    top: z.array(perExpert),
    tests: tests.nullable(),
    above,
  }),
  classes: z.object({ by: affinity, tests: tests.nullable() }),
  /** For each expert; null for one that no object is given to. */
  medianArea: z.object({
    /** Median of all objects' areas, weighed by its weight. */
    weighted: z.array(maybe),
    /** Median of the objects whose top expert it is. */
    top: z.array(maybe),
    all: maybe,
    /** The largest ÷ the smallest of `weighted` among active experts; null for fewer than two. */
    range: z.object({ largest: z.number(), smallest: z.number(), tested }).nullable(),
  }),
  variants: z.object({
    single: z.array(stats),
    without: z.array(stats),
    /** K = 1, 2, …, E. */
    byK: z.array(stats),
    equal: stats,
  }),
  overTraining: findings.shape.layers.element.shape.overTraining,
})

/** The schema of a detector's `report.json`; what it reads is {@link DetectorFindings}. */
export const detectorFindings = z.object({
  kind: z.literal('detector'),
  version: z.literal(2),
  run: findings.shape.run,
  data: z.object({
    title: z.string(),
    identity: z.string(),
    split: z.enum(['train', 'val', 'test']),
    images: z.number(),
    /** Height and width in pixels of what the network reads. */
    canvases: z.array(z.tuple([z.number(), z.number()])),
    classes: z.array(z.string()),
    superclasses: z.array(z.string()).nullable(),
    superclassOf: z.array(z.number()).nullable(),
    /** Objects of each class, without crowds. */
    perClass: z.array(z.number()),
    /** Sides in pixels that part small from medium and medium from large. */
    sizes: z.tuple([z.number(), z.number()]),
    /** Small, medium and large objects. */
    perSize,
    crowds: z.number(),
    /** How the data was repaired or read in a way that changes measures. */
    changes: z.array(z.object({ measure: z.enum(['AP', 'AP by size']), text: z.string() })).optional(),
  }),
  loss: z.number(),
  stats,
  perCategory: z.array(stats.extend({ class: z.number(), objects: z.number(), detections: z.number() })),
  layers: z.array(layer),
  /** Images in which one sees it: numbers within the split, and the least score that is drawn. */
  scenes: z.object({ images: z.array(z.number()), score: z.number() }),
})

/** Everything that was found out about a detector. */
export type DetectorFindings = z.output<typeof detectorFindings>
/** What was found out about one of its mixtures of experts. */
export type DetectorLayerFindings = DetectorFindings['layers'][number]
/** Whether a grouping of objects goes with the experts. */
export type GroupingTests = z.output<typeof tests>
export type PrecisionStats = z.output<typeof stats>
