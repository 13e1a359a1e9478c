import { z } from 'zod'
import { extension } from '../run/extensions.ts'

/**
 * What `moiety explain` finds out about a run, as `report.json` holds it. Every picture of the report is drawn from this file
 * and from `routing.parquet`.
 *
 * Conventions: fractions are from 0 to 1; information is in bits; matrices are lists of rows, with classes (or superclasses)
 * down and experts across. `null` stands where there is nothing to measure (a class without images, an expert that is never
 * used), never for zero and never for NaN. Definitions and chance levels are in `docs/measures.md`.
 */

/** A number, or nothing to measure. */
const maybe = z.number().nullable()
const perExpert = z.array(z.number())
const matrix = z.array(z.array(maybe))

/** Which experts the images of each class (or superclass) go to: a row for each. */
const affinity = z.object({
  /** Mean weight of each expert over the images of the class; a row sums to 1. */
  weight: matrix,
  /** Share of the class's images that chose each expert; a row sums to K. */
  activation: matrix,
  /** `weight` ÷ the expert's mean weight over all images. Chance: 1. Null for an expert that has no weight at all. */
  lift: matrix,
})

/** How much knowing an image's class tells about its expert. */
const information = z.object({
  /** I(class; expert) with p(class, expert) the mean weight. */
  bits: z.number(),
  /** `bits` ÷ H(expert): 1 where the class decides the expert. Null where one expert has all weight. */
  share: maybe,
  /** Mean of `bits` over permutations of the labels: what as many images give by chance. */
  chance: z.number(),
  /** 95th percentile over the permutations. */
  chance95: z.number(),
  /** (1 + permutations that reach `bits`) ÷ (1 + permutations). */
  p: z.number(),
  permutations: z.number(),
})

/** How much the routing depends on the image at all. */
const dependence = z.object({
  /** Mean over images of H(weights of the image). */
  perImage: z.number(),
  /** H(mean weights): what balance alone can reach. */
  ofMean: z.number(),
  /** `ofMean` − `perImage` = I(image; expert). 0: every image is treated alike, however balanced the experts. */
  bits: z.number(),
  /** log2 E, the most that `ofMean` can be. */
  most: z.number(),
})

const perClassAccuracy = z.array(maybe)

/** The network with other experts at work in this layer, the other layers as trained. */
const variant = z.object({
  top1: z.number(),
  perClass: perClassAccuracy,
  /** Images that it names right and the network as trained does not, and the other way round. */
  gained: z.number(),
  lost: z.number(),
})

/** The first of several beside its closest rival (`leadOf`); fractions of images. */
const rivalry = { difference: z.number(), low: z.number(), high: z.number(), p: z.number() }
const lead = z.object({ first: z.number(), second: z.number(), ...rivalry })
const pair = z.tuple([z.number(), z.number()])

const expertFindings = z.object({
  expert: z.number(),
  /** One sentence made from the numbers, or null where there is no evidence for one. */
  caption: z.string().nullable(),
  /** Why there is no caption; null where there is one. */
  silence: z.string().nullable(),
  /** Classes whose images give the expert more weight than all images do, beyond chance (`docs/measures.md`), most first. */
  classes: z.array(
    z.object({ class: z.number(), weight: z.number(), lift: z.number(), activation: z.number() }),
  ),
  superclasses: z.array(
    z.object({ superclass: z.number(), weight: z.number(), lift: z.number(), activation: z.number() }),
  ),
  /** Images with the largest weight for this expert, no more than a few of a class; numbers within the split. */
  gallery: z.array(z.number()),
})

const layerFindings = z.object({
  name: z.string(),
  /** 0 the stem, 1 to 4 the stages. */
  position: z.number(),
  style: z.string(),
  /** E. */
  count: z.number(),
  /** K. */
  k: z.number(),
  constraint: z.string(),
  /** Share of each expert in all weight; sums to 1. Chance: 1 / E. */
  share: perExpert,
  /** Share of images that chose each expert; sums to K. Chance: K / E. */
  activation: perExpert,
  cvImportance: z.number(),
  cvActivation: z.number(),
  active: z.number(),
  byClass: affinity,
  bySuperclass: affinity.nullable(),
  information: z.object({ class: information, superclass: information.nullable() }),
  dependence,
  /** Whether what comes first does so beyond chance, `p` at most 0.05; null where there is nothing to choose from. */
  leads: z.object({
    /** The expert that names most images right when it computes all of them. */
    single: lead.nullable(),
    /** The expert without which most images are named wrong; the number E stands for the network as trained. */
    without: lead.nullable(),
    /** The two experts that most images choose together. */
    pair: z.object({ first: pair, second: pair, ...rivalry }).nullable(),
  }),
  /** Share of images that chose both experts, [E][E]; the diagonal is `activation`. Chance: K(K−1) / E(E−1). */
  coactivation: z.array(perExpert),
  variants: z.object({
    /** Expert i computes every image alone. */
    single: z.array(variant),
    /** The gate chooses among the others. */
    without: z.array(variant),
    /** K = 1, 2, …, E. */
    byK: z.array(variant),
    /** All experts with weight 1 / E. */
    equal: variant,
  }),
  /** From the training's log, on held-out images: each epoch's shares. */
  overTraining: z.array(
    z.object({ epoch: z.number(), importance: perExpert, cvImportance: z.number(), active: z.number() }),
  ),
  /** UMAP of the gate's logits of some images; null where there are too few, or all are the same. */
  map: z
    .object({
      method: z.literal('umap'),
      images: z.array(z.number()),
      x: z.array(z.number()),
      y: z.array(z.number()),
      neighbours: z.number(),
      /** The expert with the largest weight for each image, and its class. */
      top: z.array(z.number()),
      labels: z.array(z.number()),
    })
    .nullable(),
  experts: z.array(expertFindings),
  /** Only with `--against`: the experts of another run matched to these by what they are given. */
  agreement: z
    .object({
      against: z.string(),
      /** `other` is the expert there; `similarity` is the correlation of the two experts' columns of `byClass.weight`. */
      pairs: z.array(z.object({ expert: z.number(), other: z.number(), similarity: maybe })),
      mean: maybe,
      /** Mean over random matchings of permuted classes, and its 95th percentile. */
      chance: maybe,
      chance95: maybe,
      /** (1 + permutations that reach `mean`) ÷ (1 + permutations); null without a mean. */
      p: maybe,
      permutations: z.number(),
    })
    .nullable(),
})

/** The schema of `report.json`; what it reads is {@link Findings}. */
export const findings = z.object({
  version: z.literal(2),
  run: z.object({
    /** Last part of the folder's path. */
    name: z.string(),
    recipe: z.string().nullable(),
    step: z.number(),
    /** Hash of the checkpoint that was looked at. */
    checkpoint: z.string(),
    /** Hash of the configuration without the seed and what does not enter the numbers: runs that share it differ in the seed. */
    configuration: z.string(),
    epochs: z.number(),
    /** Shorter plans that its learning rates followed before it was extended. */
    extensions: z.array(extension).default([]),
    seed: z.number(),
    /** e.g. "resnet18, width 16, stem cifar". */
    model: z.string(),
    parameters: z.number(),
    activeParameters: z.number(),
    moiety: z.string(),
  }),
  data: z.object({
    title: z.string(),
    /** Hash of all labels, see `identityOf`. */
    identity: z.string(),
    /** A hash of the content of its files, see `Dataset.content`; null where it is drawn. */
    files: z.string().nullable().default(null),
    /** Whether it was given in place of the data that the run was trained on. */
    given: z.boolean(),
    split: z.enum(['train', 'val', 'test']),
    images: z.number(),
    /** Height and width, in pixels. */
    size: z.number(),
    classes: z.array(z.string()),
    superclasses: z.array(z.string()).nullable(),
    /** The superclass of each class, or null where there is none. */
    superclassOf: z.array(z.number().nullable()).nullable(),
    /** Images of each class in the split. */
    perClass: z.array(z.number()),
  }),
  accuracy: z.object({
    top1: z.number(),
    top5: z.number(),
    loss: z.number(),
    perClass: perClassAccuracy,
    /** Per image 1 / classes. */
    chance: z.number(),
  }),
  layers: z.array(layerFindings),
})

/** Everything that was found out about a run: the content of `report.json`. */
export type Findings = z.output<typeof findings>
/** What was found out about one mixture of experts. */
export type LayerFindings = z.output<typeof layerFindings>
/** The first of several, beside its closest rival. */
export type LeadFindings = z.output<typeof lead>
/** What was found out about one expert. */
export type ExpertFindings = z.output<typeof expertFindings>
export type Affinity = z.output<typeof affinity>
export type Information = z.output<typeof information>
export type Dependence = z.output<typeof dependence>
export type VariantFindings = z.output<typeof variant>
