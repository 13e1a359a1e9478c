import { z } from 'zod'
import type { Component, NamedOptions, Registry } from '../base/component.ts'
import type { DeepReadonly } from '../base/schemas.ts'
import { allDataNames } from '../data/datasets/registry.ts'
import { usualCacheLimit } from '../data/pixels/cache-options.ts'
import { transforms } from '../data/transforms/registry.ts'
import { metrics } from '../metrics/registry.ts'
import { losses } from '../models/loss.ts'
import { networks } from '../models/network.ts'
import { type OptimizerConfig, optimizers, type ScheduleConfig, schedules } from '../optim/index.ts'
import { callbacks } from './callbacks.ts'
import { addedComponents, type UsedComponents } from './components.ts'
import { detectorSchema } from './detector.ts'
import { type GateConfig, moeLayerSchema } from './moe.ts'

/** The shape of a configuration; a description on a key is the help that an error about it shows. */
const fraction = z.number().min(0).max(1)

const splitPath = z.string().min(1).max(4096).nullable().default(null)
const splitPaths = z.strictObject({
  train: splitPath.describe('of the training images'),
  val: splitPath.describe('of the validation images; null: none'),
  test: splitPath.describe('of the test images; null: none'),
})

/** A component of a registry by its name, with its options. */
function named<Any extends Component, Known extends readonly Any[]>(
  registry: Registry<Any, Known>,
): z.ZodType<NamedOptions> {
  const [first, ...others]: readonly z.ZodObject[] = registry.schemas
  const schema =
    first === undefined
      ? z.strictObject({ name: z.enum([]).describe('which one; its options are the other keys') })
      : z.discriminatedUnion('name', [first, ...others])
  return schema as z.ZodType<object> as z.ZodType<NamedOptions>
}

/** Checked by the data set's own schema, see `dataRules`. */
const options = (): z.ZodType<Readonly<Record<string, unknown>>> => z.record(z.string(), z.unknown())

const dataSchema = () =>
  z.strictObject({
    name: z
      .enum(allDataNames())
      .default('sample')
      .describe(
        'the data set; folder reads images with one class each: class/image or superclass/class/image, below folders for splits or not, labels from CSV or JSON, Parquet files, or tar shards; multi-label reads any number of labels an image from CSV or JSON; scenes, coco and boxes (a folder in the format of COCO, YOLO or Pascal VOC) have boxes, for detectors',
      ),
    directory: z
      .string()
      .min(1)
      .max(4096)
      .nullable()
      .default(null)
      .describe('where the data set lies: its folder, or a labels file'),
    size: z
      .int()
      .min(8)
      .max(4096)
      .nullable()
      .default(null)
      .describe(
        "height and width of an image in pixels, with boxes the longer side at most, from 32 to 2048; null: the data set's own",
      ),
    shortest: z
      .int()
      .min(8)
      .max(4096)
      .nullable()
      .default(null)
      .describe(
        'with boxes, the shorter side at most; null: as size, or 608 for coco and boxes where both are null',
      ),
    annotations: splitPaths
      .nullable()
      .default(null)
      .describe(
        'with boxes, annotation files in COCO format (.json or .json.gz), relative to data.directory; null: found by the layout of the folder',
      ),
    images: splitPaths
      .nullable()
      .default(null)
      .describe(
        'with data.annotations, the folders that file_name is relative to; null: found near the annotations',
      ),
    strict: z
      .boolean()
      .default(false)
      .describe('with boxes, refuse mistakes in annotations that are otherwise repaired and reported'),
    unreadable: z
      .enum(['stop', 'skip'])
      .default('stop')
      .describe('what to do with an image that cannot be read; skipped ones are listed'),
    followLinks: z
      .boolean()
      .default(false)
      .describe(
        'without boxes, whether symbolic links may lead out of data.directory; those within it are followed',
      ),
    cache: z
      .union([z.enum(['auto', 'off']), z.string().max(4096).regex(/[/\\]/)])
      .default('auto')
      .describe(
        'where decoded images are kept for the next epoch and the next command; auto: in the folder MOIETY_CACHE or .cache/moiety; off: nowhere; or a folder, written with a slash, as ./cache',
      ),
    cacheLimit: z
      .number()
      .gt(0)
      .max(1e6)
      .default(usualCacheLimit)
      .describe(
        'most gigabytes that the decoded images of all data sets take in that folder; those that were not used for the longest time are deleted',
      ),
    implausibleBoxes: z
      .enum(['stop', 'accept'])
      .default('stop')
      .describe(
        'with boxes, what to do with an annotation file in which too many of them cannot be right: corners, fractions, those of larger or smaller images; and with files of which most are of another size than it says',
      ),
    sampling: z
      .enum(['balanced'])
      .optional()
      .describe(
        'balanced: an epoch of a classifier has as many images of every class, those of rare ones several times; left out: every image once',
      ),
    limit: z
      .strictObject({
        train: z
          .int()
          .min(1)
          .max(1e9)
          .nullable()
          .default(null)
          .describe('use this many training images; null: all'),
        test: z
          .int()
          .min(1)
          .max(1e9)
          .nullable()
          .default(null)
          .describe('use this many test images, and as many validation images; null: all'),
      })
      .prefault({}),
    options: options().optional().describe('of a data set of your own, what its definition says'),
  })

const mixingAlpha = (usual: number) =>
  z.number().gt(0).max(1000).default(usual).describe('the share of an image is drawn from Beta(alpha, alpha)')

const augmentationSchema = () =>
  z.strictObject({
    flip: fraction.default(0.5).describe('how often an image is mirrored left to right'),
    crop: z
      .strictObject({
        padding: z.int().min(1).max(512).default(4).describe('pixels added on each side before cropping'),
        mode: z.enum(['zero', 'reflect']).default('zero').describe('what the added pixels hold'),
      })
      .nullable()
      .default(null)
      .describe('a random crop of the padded image; null for none'),
    jitter: z
      .strictObject({
        brightness: fraction.default(0).describe('brightness is multiplied by 1 ± this'),
        contrast: fraction.default(0).describe('contrast is multiplied by 1 ± this'),
        saturation: fraction.default(0).describe('saturation is multiplied by 1 ± this'),
      })
      .nullable()
      .default(null)
      .describe('random changes of colour; null for none'),
    mixup: z
      .strictObject({ alpha: mixingAlpha(0.2) })
      .optional()
      .describe(
        'of classifiers, also of several labels, blends the images of a batch and their labels; left out: not',
      ),
    cutmix: z
      .strictObject({ alpha: mixingAlpha(1) })
      .optional()
      .describe(
        'of classifiers, also of several labels, puts a rectangle of another image into each; with mixup, each batch has one of the two; left out: not',
      ),
    scaleJitter: z
      .strictObject({
        least: z.number().min(0.05).max(1).default(0.1).describe('the smallest factor'),
        most: z.number().min(1).max(4).default(2).describe('the largest one'),
      })
      .optional()
      .describe(
        'of a detector, multiplies the size that images have on the canvas by a random factor; larger ones are cropped, with their boxes; left out: not',
      ),
    mosaic: z
      .strictObject({ probability: fraction.default(0.5).describe('how often') })
      .optional()
      .describe(
        'of a detector, joins an image with three others, at half their size and cropped, with their boxes; left out: not',
      ),
    transforms: z
      .array(named(transforms))
      .max(100)
      .optional()
      .describe('changes of your own, one after the other, before all others; --use loads them'),
  })

const modelSchema = () =>
  z.strictObject({
    name: z.enum(['resnet18', 'resnet34', 'resnet50']).default('resnet18').describe('the backbone'),
    stem: z
      .enum(['cifar', 'imagenet', 'strided'])
      .default('cifar')
      .describe(
        'cifar: 3×3, stride 1, no pooling; imagenet: 7×7, stride 2, then max-pooling; strided: 3×3, stride 2, for 64 to 160 pixels',
      ),
    width: z.int().min(1).max(1024).default(64).describe('channels of the first stage; the paper has 64'),
    weights: z
      .string()
      .min(1)
      .max(4096)
      .nullable()
      .default(null)
      .describe(
        'a file with weights to start from (safetensors, or .pth of torch.save, which is never executed), or a run; null starts at random',
      ),
    from: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe(
        'as weights, and sets name, stem, width and weightsPart (auto) by what is in the file; Moiety replaces it with those keys',
      ),
    weightsEntry: z
      .string()
      .max(1000)
      .nullable()
      .default(null)
      .describe(
        'which entry of a file with several networks, such as state_dict or model_ema; null: the usual one, and a moving average before what it averages',
      ),
    weightsPart: z
      .enum(['whole', 'auto', 'backbone', 'features', 'trunk', 'copies', 'all-but-classes'])
      .default('whole')
      .describe(
        'auto takes the outputs for classes where there are as many, pyramid and heads where the file has them, and all of the rest but what mixtures replace; all-but-classes leaves only those outputs and mixtures at random; backbone leaves what follows the stages at random; trunk leaves mixtures at random, and copies begins each expert as a copy of what it replaces in the file, of channels drawn at random where it is narrower; of a detector, features leaves its heads at random',
      ),
    initialisation: z
      .enum(['published', 'fan-out'])
      .default('published')
      .describe(
        "first values of experts, their shortcut and the small stems; published: PyTorch's default, as the authors have it; fan-out: torchvision's for ResNets, as everywhere else",
      ),
    copyNoise: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe(
        'of weightsPart copies: normal noise on the kernels of each copy, in standard deviations of the kernel; 0 keeps the output of what is copied',
      ),
    freeze: z
      .array(z.int().min(0).max(4))
      .max(5)
      .nullable()
      .default(null)
      .describe(
        "positions (0 the stem, 1 to 4 the stages) that keep their weights and BatchNorm's running statistics; mixtures at them and the classifier are trained, so [0,1,2,3,4] trains nothing else",
      ),
    moe: z.array(moeLayerSchema()).max(5).default([]).describe('mixture-of-experts layers, one a position'),
    network: named(networks)
      .optional()
      .describe('a network of your own in place of the ResNet that the other keys describe; --use loads it'),
    detector: detectorSchema()
      .nullable()
      .default(null)
      .describe('makes a RetinaNet of the network; null: a classifier'),
  })

const trainingSchema = () =>
  z.strictObject({
    epochs: z.int().min(1).max(1e6).default(10).describe('how often all training images are seen'),
    batch: z.int().min(1).max(65_536).default(128).describe('images in a step (N)'),
    labelSmoothing: z.number().min(0).lt(1).default(0).describe('probability spread over all classes'),
    classWeights: z
      .union([
        z.literal('balanced'),
        z.array(z.number().min(0).max(1e6)).min(1).max(1e6),
        z.record(z.string(), z.number().min(0).max(1e6)),
      ])
      .optional()
      .describe(
        'of classifiers, how much the images of a class count in the loss: balanced (by one over their number), a list, or some classes by name; scaled so that the mean over training images is 1. With several labels an image, in the loss of that class, not scaled; balanced is the images without the class over those with it; left out: 1 each',
      ),
    clipNorm: z
      .number()
      .gt(0)
      .max(1e9)
      .nullable()
      .default(null)
      .describe("the gradient's norm is cut to this; null never cuts"),
    ema: z
      .strictObject({
        decay: z
          .number()
          .min(0)
          .lt(1)
          .default(0.9998)
          .describe('d of a ← d·a + (1 − d)·w after each step, at most (1 + step) / (10 + step)'),
      })
      .optional()
      .describe(
        'keeps a moving average of the weights besides them, by which the network is tested and used; left out: none',
      ),
    checkpointEvery: z
      .strictObject({
        steps: z
          .int()
          .min(1)
          .max(1e9)
          .nullable()
          .default(null)
          .describe('a checkpoint after every so many steps, besides the one after each epoch'),
      })
      .prefault({}),
    evaluateEvery: z
      .int()
      .min(1)
      .max(1e6)
      .default(1)
      .describe('held-out images are evaluated after every so many epochs, and after the last'),
    replicas: z
      .int()
      .min(1)
      .max(256)
      .default(1)
      .describe(
        "parts of a batch that are computed side by side, each on its share of the threads and on one at least; BatchNorm and soft constraints then see a part's images",
      ),
    accumulate: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe(
        'parts of a batch that are computed one after the other, so that memory is needed for one part only; training.batch stays the images in a step. BatchNorm and soft constraints see the images of a part; left out: 1',
      ),
    resizing: z
      .array(
        z.strictObject({
          epochs: z.int().min(1).max(1e6).describe('how many epochs this lasts'),
          size: z.int().min(8).max(4096).describe('height and width of the images then, in pixels'),
        }),
      )
      .min(1)
      .max(100)
      .nullable()
      .default(null)
      .describe(
        "progressive resizing: images are shrunk for the first epochs, one entry after the other, and have the data set's size from then on; null: always",
      ),
    keepCheckpoints: z
      .int()
      .min(1)
      .max(1e6)
      .default(2)
      .describe('older checkpoints are removed, but for the best one'),
    best: z
      .strictObject({
        measure: z
          .string()
          .min(1)
          .max(100)
          .optional()
          .describe('loss, or the name of a measure such as top1; left out: the one that ranks runs'),
        mode: z
          .enum(['max', 'min'])
          .optional()
          .describe(
            'whether more or less of it is better; left out: min for losses and for metrics of which less is better, max for all else',
          ),
      })
      .optional()
      .describe('by what the best checkpoint is chosen, which is kept besides the newest ones'),
    collapse: fraction
      .default(0.01)
      .describe("an expert with no more than this share of its layer's importance raises the alarm"),
    loss: named(losses)
      .optional()
      .describe('a loss of your own; --use loads it. Left out: cross-entropy, of a detector the focal loss'),
    metrics: z
      .array(named(metrics))
      .max(100)
      .optional()
      .describe('what else is measured on held-out images; --use loads metrics of your own'),
    callbacks: z
      .array(named(callbacks))
      .max(100)
      .optional()
      .describe(
        'what follows the training and may end it, such as early-stopping; --use loads those of your own',
      ),
  })

const engineSchema = z.strictObject({
  device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu').describe('what computes'),
  threads: z.int().min(1).max(1024).nullable().default(null).describe('threads; null: all cores'),
})

const build = () =>
  z.strictObject({
    seed: z
      .int()
      .min(0)
      .max(4_294_967_295)
      .default(42)
      .describe(
        'decides what is random in a training: first values, order, augmentation, noise (how the sample is drawn and a folder is split is always the same)',
      ),
    data: dataSchema().prefault({}),
    augmentation: augmentationSchema().prefault({}),
    model: modelSchema().prefault({}),
    optimizer: z.discriminatedUnion('name', optimizers.schemas).prefault({ name: 'adam' }),
    schedule: z.discriminatedUnion('name', schedules.schemas).prefault({ name: 'constant' }),
    training: trainingSchema().prefault({}),
    engine: engineSchema.prefault({}),
    use: z
      .strictObject({ files: z.array(z.string()), sha256: z.array(z.string().regex(/^[0-9a-f]{64}$/)) })
      .optional()
      .describe(
        'files with the components of your own that are named here, and the SHA-256 of their code; Moiety writes it, and --use loads them',
      ),
  })

let built: { readonly added: number; readonly schema: ReturnType<typeof build> } | undefined

/** The schema of a configuration, with all components that are known by now. */
export function configSchema(): ReturnType<typeof build> {
  const added = addedComponents().length
  if (built?.added !== added) built = { added, schema: build() }
  return built.schema
}

type Parsed = z.output<ReturnType<typeof build>>
type ParsedLayer = Parsed['model']['moe'][number]
type ParsedDetector = NonNullable<Parsed['model']['detector']>

/** One mixture-of-experts layer with every default explicit; `expertWidth` is null where experts have no inner width. */
export type MoeLayerConfig = DeepReadonly<
  Omit<ParsedLayer, 'noise' | 'gate'> & { noise: boolean; gate: GateConfig }
>
/** What keeps the experts of a layer balanced, by its `name`. */
export type ConstraintConfig = MoeLayerConfig['constraint']
/** Mixtures of experts in the heads of a detector, with every default explicit. */
export type HeadMixtureConfig = DeepReadonly<
  Omit<NonNullable<ParsedDetector['mixture']>, 'noise' | 'gate'> & { noise: boolean; gate: GateConfig }
>
/** What makes a RetinaNet of a network. */
export type DetectorConfig = DeepReadonly<Omit<ParsedDetector, 'mixture'>> & {
  readonly mixture: HeadMixtureConfig | null
}
/** The data set, as `data` of a configuration; `shortest` is `size` unless the data has boxes. */
export type DataConfig = DeepReadonly<
  Omit<Parsed['data'], 'size' | 'shortest'> & { size: number; shortest: number }
>
/** What happens to training images at random, as `augmentation` of a configuration. */
export type AugmentationConfig = DeepReadonly<Parsed['augmentation']>
/** The network without what it is for: a classifier's, or a detector's backbone. */
export type NetworkConfig = Omit<
  ModelConfig,
  'detector' | 'initialisation' | 'weightsEntry' | 'copyNoise' | 'freeze'
> &
  Partial<Pick<ModelConfig, 'initialisation' | 'freeze'>>
/** The network, as `model` of a configuration. */
export type ModelConfig = DeepReadonly<Omit<Parsed['model'], 'moe' | 'detector' | 'from'>> & {
  readonly moe: readonly MoeLayerConfig[]
  readonly detector: DetectorConfig | null
}
export type { OptimizerConfig, ScheduleConfig } from '../optim/index.ts'
/** Epochs, batches and checkpoints, as `training` of a configuration. */
export type TrainingConfig = DeepReadonly<Parsed['training']>
/** Where and with how many threads to compute, as `engine` of a configuration. */
export type EngineConfig = DeepReadonly<Parsed['engine']>

/** What a training does, complete: nothing is left to a default. */
export interface Config {
  readonly seed: number
  readonly data: DataConfig
  readonly augmentation: AugmentationConfig
  readonly model: ModelConfig
  readonly optimizer: OptimizerConfig
  readonly schedule: ScheduleConfig
  readonly training: TrainingConfig
  readonly engine: EngineConfig
  /** Files with components of a user's own that the configuration names. */
  readonly use?: UsedComponents
}

/** The configuration as the schema has read it, before what depends on other keys is filled in. */
export type ParsedConfig = DeepReadonly<Parsed>
