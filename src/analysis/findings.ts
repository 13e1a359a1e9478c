import { z } from 'zod'
import { significanceLevel } from '../base/exact-tests.ts'
import { missReasons } from '../metrics/detections/index.ts'
import { extension } from '../run/extensions.ts'
import { learningPoint } from '../run/learning-curve.ts'

/**
 * What `moiety explain` finds out about a run of any task, as `report.json` holds it. Every picture of the report is drawn from
 * this file and from the tables written with it.
 *
 * Conventions: fractions are from 0 to 1; information is in bits; areas are in square pixels of the stored images; matrices are
 * lists of rows, with groups (classes, superclasses, levels, sizes) down and experts across. `null` stands where there is
 * nothing to measure (a class without images, an expert that is never used), never for zero and never for NaN. What a gate
 * routes is an input: a whole image, or in a detector's head one level of one. Definitions and chance levels are in
 * `docs/reference/measures.md`.
 */

/** A number, or nothing to measure. */
const maybe = z.number().nullable()
const perExpert = z.array(z.number())
const matrix = z.array(z.array(maybe))
/** By the names of the task's measures. */
const measures = z.record(z.string(), maybe)

/** Which experts the items of each group go to: a row for each. */
const affinity = z.object({
  /** Mean weight of each expert over the items of the group; a row sums to 1. */
  weight: matrix,
  /** Share of the group's items that chose each expert; a row sums to K. */
  activation: matrix,
  /** `weight` ÷ the expert's mean weight over all items. Chance: 1. Null for an expert that has no weight at all. */
  lift: matrix,
})

/** A statistic with its chance level, over permutations. */
const tested = z.object({
  value: z.number(),
  /** Mean over permutations of what inputs hold: what as many items give by chance. */
  chance: z.number(),
  /** 95th percentile over the permutations. */
  chance95: z.number(),
  /** (1 + permutations that reach the value) ÷ (1 + permutations). */
  p: z.number(),
  permutations: z.number(),
})

/** How much knowing an item's group tells about its expert: I(group; expert) in bits, and that ÷ H(expert). */
const information = tested.extend({
  /** 1 where the group decides the expert. Null where one expert has all weight. */
  share: maybe,
})

/** Items (images, objects, or the levels themselves) by what may decide their expert. */
const grouping = z.object({
  name: z.enum(['class', 'superclass', 'level', 'size']),
  /** Of the groups; a row of each matrix. */
  names: z.array(z.string()),
  /** Items of each group that a gate has routed. */
  counts: z.array(z.number()),
  affinity,
  /** Items of each group whose expert with the largest weight it is, [groups][E]. */
  top: z.array(perExpert),
  /** Null where there are no items. */
  information: information.nullable(),
  /** I(group; expert | level): beyond what the level decides. Null where whole images are routed, and for levels. */
  withinLevel: tested.nullable(),
  /** χ² of `top`, Cramér's V, and that without its bias; null where fewer than two groups or experts have items. */
  association: z.object({ chiSquared: tested, v: z.number(), corrected: z.number() }).nullable(),
  /**
   * For each group and expert the probability that permutations reach its weight, one-sided and not corrected for the number of
   * cells. Null where it is not tested cell by cell.
   */
  above: z.array(perExpert).nullable(),
})

/** A property of whole images and the experts that compute them; an image with several levels counts with its mean weights. */
const attribute = z.object({
  name: z.string(),
  /** Measured in the pixels, or given in a file. */
  source: z.enum(['image', 'given']),
  /** Of the groups; a row of each matrix. */
  names: z.array(z.string()),
  /** Images of each group, and images of which the attribute is not known, which are left out. */
  counts: z.array(z.number()),
  missing: z.number(),
  /** H(attribute) in bits. */
  entropy: z.number(),
  affinity,
  /** I(attribute; expert). Null, as what follows, for an attribute that all images share and where there is one expert. */
  information: information.nullable(),
  /** I(classes; expert) of the same images, where images of the same set of classes are one group. */
  ofClass: tested.nullable(),
  /** I(attribute; expert | classes) and I(classes; expert | attribute); null where no images could be exchanged. */
  givenClass: tested.nullable(),
  classGiven: tested.nullable(),
  /** I(attribute; expert | level); null where whole images are routed. */
  givenLevel: tested.nullable(),
  /** I(attribute; whether it is the expert) for each expert. */
  byExpert: z.array(tested).nullable(),
})

/** The attribute that predicts experts best, compared with its closest rival (`bestAttribute`); numbers of `attributes`, bits an image. */
const attributeLead = {
  first: z.number(),
  /** Null, as `difference`, without a rival. */
  second: z.number().nullable(),
  gain: z.number(),
  difference: z.number().nullable(),
  p: z.number(),
}

/** How much the routing depends on what is routed at all. */
const dependence = z.object({
  /** Mean over inputs of H(weights of the input). */
  perInput: z.number(),
  /** H(mean weights): what balance alone can reach. */
  ofMean: z.number(),
  /** `ofMean` − `perInput` = I(input; expert). 0: every input is treated alike, however balanced the experts. */
  bits: z.number(),
  /** log2 E, the most that `ofMean` can be. */
  most: z.number(),
})

/** The network with other experts selected in this layer, the other layers as trained. */
const variant = z.object({
  measures,
  /** Of tasks that give each image one class: the ranking measure of each class; images that it has right and the network as trained has not, and the other way round. */
  perClass: z.array(maybe).nullable(),
  gained: z.number().nullable(),
  lost: z.number().nullable(),
})

/** The first of several compared with its closest rival (`leadOf`); fractions of images. */
const rivalry = { difference: z.number(), low: z.number(), high: z.number(), p: z.number() }
const lead = z.object({ first: z.number(), second: z.number(), ...rivalry })
const pair = z.tuple([z.number(), z.number()])

const layerFindings = z.object({
  name: z.string(),
  /** A position of the backbone (0 the stem, 1 to 4 the stages), the gate of a head, or the scope in a custom network. */
  place: z.union([z.number(), z.string()]),
  /** Of mixtures in a backbone; null in a head. */
  style: z.string().nullable(),
  /** E. */
  count: z.number(),
  /** K. */
  k: z.number(),
  /** Of each image: 1, or the levels of a feature pyramid. Shares are over all of them. */
  inputs: z.number(),
  constraint: z.string(),
  /** Share of each expert in all weight; sums to 1. Chance: 1 / E. */
  share: perExpert,
  /** Share of inputs that chose each expert; sums to K. Chance: K / E. */
  activation: perExpert,
  cvImportance: z.number(),
  cvActivation: z.number(),
  active: z.number(),
  groupings: z.array(grouping),
  /** Colour, brightness and texture of images and what a file says of them; reports of earlier versions have none. */
  attributes: z.array(attribute).default([]),
  /** By which attribute the expert of an image is predicted best, and for each expert whether it is this one; null where none explains anything beyond chance. */
  attributeLeads: z
    .object({
      choice: z.object(attributeLead).nullable(),
      experts: z.array(
        z
          .object({
            ...attributeLead,
            /** Groups that give the expert more weight than all images do, beyond chance. */
            groups: z.array(z.object({ group: z.number(), weight: z.number(), lift: z.number() })),
          })
          .nullable(),
      ),
    })
    .default({ choice: null, experts: [] }),
  dependence,
  /** Whether what comes first does so beyond chance, `p` at most 0.05; null where there is nothing to choose from, or no test. */
  leads: z.object({
    /** The expert that names most images right when it computes all of them. */
    single: lead.nullable(),
    /** The expert without which most images are named wrong; the number E stands for the network as trained. */
    without: lead.nullable(),
    /** The two experts that most images choose together; null where an image has several inputs. */
    pair: z.object({ first: pair, second: pair, ...rivalry }).nullable(),
  }),
  /** Share of inputs that chose both experts, [E][E]; the diagonal is `activation`. Chance: K(K−1) / E(E−1). */
  coactivation: z.array(perExpert),
  variants: z.object({
    /** Expert i computes every input alone. */
    single: z.array(variant),
    /** The gate chooses among the others. */
    without: z.array(variant),
    /** K = 1, 2, …, E. */
    byK: z.array(variant),
    /** All experts with weight 1 / E. */
    equal: variant,
  }),
  /** From the training's log, on held-out images: each epoch's shares. */
  history: z.array(
    z.object({ epoch: z.number(), importance: perExpert, cvImportance: z.number(), active: z.number() }),
  ),
  /** Only with `--against`: the experts of another run matched to these by what they are given. */
  agreement: z
    .object({
      against: z.string(),
      /** `other` is the expert there; `similarity` is the correlation of the two experts' mean weights over classes. */
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

const expertFindings = z.object({
  expert: z.number(),
  /** One sentence made from the numbers, or null where there is no evidence for one. */
  caption: z.string().nullable(),
  /** Why there is no caption; null where there is one. */
  noCaptionReason: z.string().nullable(),
  /** Classes whose images give the expert more weight than all images do, beyond chance (`docs/reference/measures.md`), most first. */
  classes: z.array(
    z.object({ class: z.number(), weight: z.number(), lift: z.number(), activation: z.number() }),
  ),
  superclasses: z.array(
    z.object({ superclass: z.number(), weight: z.number(), lift: z.number(), activation: z.number() }),
  ),
  /** Images with the largest weight for this expert, no more than a few of a class; numbers within the split. */
  gallery: z.array(z.number()),
})

/** What only mixtures have that route whole images. */
function imageLayer<L extends z.ZodType>(labels: L) {
  return z.object({
    /** UMAP of the gate's logits of some images; null where there are too few, or all are the same. */
    map: z
      .object({
        method: z.literal('umap'),
        images: z.array(z.number()),
        x: z.array(z.number()),
        y: z.array(z.number()),
        neighbours: z.number(),
        /** The expert with the largest weight for each image, and its class or classes. */
        top: z.array(z.number()),
        labels: z.array(labels),
      })
      .nullable(),
    experts: z.array(expertFindings),
  })
}

/** Calibration over bins of equal width, `Calibration` of `moiety/metrics`. */
const calibration = z.object({
  ece: maybe,
  mce: maybe,
  confidence: maybe,
  accuracy: maybe,
  bins: z.array(
    z.object({ from: z.number(), to: z.number(), count: z.number(), confidence: maybe, accuracy: maybe }),
  ),
})

/** For each layer the experts that computed something, most weight first. */
const expertsOfLayers = z.array(z.array(z.object({ expert: z.number(), weight: z.number() })))

const scored = { precision: maybe, recall: maybe, f1: maybe }

/** How a classifier is right and wrong. */
const answers = z.object({
  /** Images by true class (rows) and by the class that was named (columns). */
  confusion: z.array(perExpert),
  classes: z.array(z.object({ images: z.number(), predicted: z.number(), ...scored })),
  macroF1: maybe,
  balancedAccuracy: maybe,
  calibration,
  /** The most confident wrong answers; numbers of images within the split. */
  mistakes: z.array(
    z.object({
      image: z.number(),
      label: z.number(),
      prediction: z.number(),
      confidence: z.number(),
      experts: expertsOfLayers,
    }),
  ),
})

const labelMistakes = z.array(
  z.object({ image: z.number(), label: z.number(), probability: z.number(), experts: expertsOfLayers }),
)

/** How a multi-label network is right and wrong. */
const labelAnswers = z.object({
  calibration,
  /** The most confident ones at the thresholds of the classes. */
  mistakes: z.object({ found: labelMistakes, missed: labelMistakes }),
})

const foundScores = { objects: z.number(), detections: z.number(), ...scored }
const curve = z.array(z.number()).nullable()

/** What a detector finds and misses, from the matching of AP50. */
const detectionAnswers = z.object({
  /** Precision at the recalls 0, 0.01, … 1: means over classes, and of each class at an IoU of 0.50. */
  curves: z.object({
    recall: z.array(z.number()),
    iou50: curve,
    iou75: curve,
    mean: curve,
    perCategory: z.array(curve),
  }),
  /** From which F1 at an IoU of 0.50 is highest. */
  score: maybe,
  atScore: z
    .object({ all: z.object(foundScores), classes: z.array(z.object({ id: z.number(), ...foundScores })) })
    .nullable(),
  missed: z.object({
    total: z.number(),
    reasons: z.record(z.enum(missReasons), z.number()),
    perClass: z.array(z.number()),
    examples: z.array(
      z.object({
        image: z.number(),
        object: z.number(),
        label: z.number(),
        box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
        area: z.number(),
        level: z.number(),
        reason: z.enum(missReasons),
        instead: z.object({ label: z.number(), score: z.number() }).nullable(),
        experts: expertsOfLayers,
      }),
    ),
  }),
})

/** What only the findings about a classifier have; `layers` in the order of the layers. */
const classificationExtras = z.object({
  task: z.literal('classification'),
  /** Of top-1 accuracy: 1 / classes. */
  chance: z.number(),
  /** Height and width of an image, in pixels. */
  size: z.number(),
  /** Reports of earlier versions have none. */
  answers: answers.optional(),
  layers: z.array(imageLayer(z.number())),
})

/** What only the findings about a multi-label network have; `layers` in the order of the layers. */
const multiLabelExtras = z.object({
  task: z.literal('multi-label'),
  /** Of mAP: the mean fraction of images that show a class. Null where no image shows any. */
  chance: maybe,
  /** Height and width of an image, in pixels. */
  size: z.number(),
  /** Images without a class. */
  unlabelled: z.number(),
  /** The split on which the thresholds of classes were chosen. */
  thresholdsFrom: z.enum(['train', 'val', 'test']),
  /** An image is said to show a class where its probability is at least the threshold; the others belong to it. */
  classes: z.array(z.object({ threshold: z.number(), precision: maybe, recall: maybe, f1: maybe })),
  /** Reports of earlier versions have none. */
  answers: labelAnswers.optional(),
  layers: z.array(imageLayer(z.array(z.number()))),
})

/** What only the findings about a detector have; `layers` in the order of the layers. */
const detectionExtras = z.object({
  task: z.literal('detection'),
  /** Height and width in pixels of what the network reads. */
  canvases: z.array(z.tuple([z.number(), z.number()])),
  /** Sides in pixels that part small from medium and medium from large. */
  sizes: z.tuple([z.number(), z.number()]),
  /** Small, medium and large objects, without crowds. */
  perSize: z.tuple([z.number(), z.number(), z.number()]),
  crowds: z.number(),
  /** How the data was repaired or read in a way that changes measures. */
  changes: z.array(z.object({ measure: z.enum(['AP', 'AP by size']), text: z.string() })).optional(),
  /** Detections of each class. */
  detections: z.array(z.number()),
  /** Reports of earlier versions have none. */
  answers: detectionAnswers.optional(),
  layers: z.array(
    z.object({
      /** Objects, without those that no anchor overlaps. */
      objects: z.object({
        count: z.number(),
        /** (image, level) that hold them: what is independent. */
        units: z.number(),
        left: z.number(),
      }),
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
    }),
  ),
  /** Images in which one sees it: numbers within the split, and the least score that is drawn. */
  scenes: z.object({ images: z.array(z.number()), score: z.number() }),
})

/** The schema of `report.json`; what it reads is {@link Findings}. */
export const findings = z.object({
  version: z.literal(3),
  /** `classification`, `detection`, … */
  task: z.string(),
  run: z.object({
    /** Last part of the folder's path. */
    name: z.string(),
    recipe: z.string().nullable(),
    step: z.number(),
    /** Hash of the checkpoint that was looked at. */
    checkpoint: z.string(),
    /** Which checkpoint and weights, in words. */
    which: z.string().optional(),
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
    /** Of an image, with K of the E experts; reports of earlier versions have none. */
    multiplyAdds: maybe.default(null),
    moiety: z.string(),
  }),
  data: z.object({
    title: z.string(),
    /** Hash of all labels, see `identityOf`. */
    identity: z.string(),
    /** A hash of the content of its files, see `Dataset.content`; null where it is drawn. */
    files: z.string().nullable(),
    /** Whether it was given in place of the data that the run was trained on. */
    given: z.boolean(),
    split: z.enum(['train', 'val', 'test']),
    images: z.number(),
    classes: z.array(z.string()),
    superclasses: z.array(z.string()).nullable(),
    /** The superclass of each class, or null where there is none. */
    superclassOf: z.array(z.number().nullable()).nullable(),
    /** Images, or of a detector objects without crowds, of each class in the split. */
    perClass: z.array(z.number()),
  }),
  /** Mean over images. */
  loss: z.number(),
  measures,
  /** By measure: its value for each class. */
  perClass: z.record(z.string(), z.array(maybe)),
  /**
   * The run's learning curve, and with `--against` that of a run that differs in nothing but the seed; reports of earlier versions
   * have none.
   */
  learning: z
    .array(z.object({ run: z.string(), seed: z.number(), points: z.array(learningPoint) }))
    .default([]),
  layers: z.array(layerFindings),
  /** What only this task has; null for a task that adds nothing. */
  extras: z.discriminatedUnion('task', [classificationExtras, multiLabelExtras, detectionExtras]).nullable(),
})

/** Everything that was found out about a run: the content of `report.json`. */
export type Findings = z.output<typeof findings>
/** What was found out about one mixture of experts. */
export type LayerFindings = z.output<typeof layerFindings>
/** Items of a layer by what may decide their expert. */
export type GroupingFindings = z.output<typeof grouping>
/** A property of images and its experts. */
export type AttributeFindings = z.output<typeof attribute>
/** The first of several, compared with its closest rival. */
export type LeadFindings = z.output<typeof lead>
/** What was found out about one expert of a mixture that routes whole images. */
export type ExpertFindings = z.output<typeof expertFindings>
export type Affinity = z.output<typeof affinity>
export type Information = z.output<typeof information>
export type Dependence = z.output<typeof dependence>
export type VariantFindings = z.output<typeof variant>
/** What only the findings about a classifier have. */
export type ClassificationExtras = z.output<typeof classificationExtras>
/** What only the findings about a multi-label network have. */
export type MultiLabelExtras = z.output<typeof multiLabelExtras>
/** What only the findings about a detector have. */
export type DetectionExtras = z.output<typeof detectionExtras>

/** How the answers of each task are right and wrong. */
export type ClassAnswers = z.output<typeof answers>
export type LabelAnswers = z.output<typeof labelAnswers>
export type DetectionAnswers = z.output<typeof detectionAnswers>
export type CalibrationFindings = z.output<typeof calibration>

/** What a layer's items are grouped by; undefined where they are not. */
export function groupingOf(
  { groupings }: Pick<LayerFindings, 'groupings'>,
  name: GroupingFindings['name'],
): GroupingFindings | undefined {
  return groupings.find(grouping => grouping.name === name)
}

/** The attribute by which an expert is explained best and its groups, if that is beyond doubt. */
export function explainedBest(
  { attributes, attributeLeads }: Pick<LayerFindings, 'attributes' | 'attributeLeads'>,
  expert: number,
): ExplainedBest | null {
  const lead = attributeLeads.experts[expert] ?? null
  const attribute = attributes[lead?.first ?? -1]
  if (lead === null || attribute === undefined || lead.p > significanceLevel) return null
  return {
    attribute: attribute.name,
    groups: lead.groups.map(({ group, lift }) => ({ name: attribute.names[group]!, lift })),
  }
}

export interface ExplainedBest {
  readonly attribute: string
  /** At most two, with their mean weights as multiples of chance. */
  readonly groups: readonly { readonly name: string; readonly lift: number }[]
}

/** "explained best by colour: vivid yellow 2.3 × chance" */
export function explainedBestWords({ attribute, groups }: ExplainedBest): string {
  const named = groups.map(({ name, lift }) => `${name} ${lift.toFixed(1)} ×`).join(', ')
  return `explained best by ${attribute}${named === '' ? '' : `: ${named} chance`}`
}

/** Captions and galleries of a layer's experts, and the map of its gate's logits; undefined for a task that has none. */
export function imageFindings({ extras }: Pick<Findings, 'extras'>, layer: number): ImageLayer | undefined {
  const own = extras?.layers[layer]
  return own !== undefined && 'experts' in own ? own : undefined
}

/** What only mixtures have that route whole images. */
export type ImageLayer = (ClassificationExtras | MultiLabelExtras)['layers'][number]
