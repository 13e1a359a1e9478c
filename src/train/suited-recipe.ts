import type { DataFacts } from '../data/data-facts.ts'
import type { ResNetName, StemName } from '../models/resnet.ts'
import type { Device } from '../runtime/index.ts'

/** What a recipe is chosen by. */
export interface TrainingFacts {
  readonly data: DataFacts
  /** The network whose weights are given. */
  readonly weights?: WeightFacts | undefined
  readonly device: Device
  /** Parameters of the recipe that were chosen, with `--with`. */
  readonly chosen: ReadonlyMap<string, unknown>
}

/** What weights to start from are of. */
export interface WeightFacts {
  readonly name: ResNetName
  readonly width: number
  /** Null where the tensors leave it open. */
  readonly stem: StemName | null
  /** Whether it has the heads of a detector. */
  readonly hasHeads: boolean
  /** Whether a mixture of experts is in it. */
  readonly hasExperts: boolean
}

/** A recipe, and what of it is set for the data. */
export interface SuitedRecipe {
  readonly recipe: string
  /** `path=value`, as `--set` has them. */
  readonly settings: readonly string[]
  /** What was chosen and why, in a sentence or two. */
  readonly reason: string
}

/** Images whose shorter side is at most this are small ones, as CIFAR's. */
const smallSide = 40

/** The recipe for data that comes without one. */
export function suitedRecipe(facts: TrainingFacts): SuitedRecipe {
  return fittedRecipe(recipeFor(facts.data), facts)!
}

function recipeFor({ kind, shorter = usualSide }: DataFacts): string {
  if (kind === 'boxes') return 'detect'
  return shorter <= smallSide ? 'sample' : 'photos'
}

/** Where no image could be looked at. */
const usualSide = 128

/** What a recipe by name sets for the data; undefined for one that is the same for all data. */
export function fittedRecipe(recipe: string, facts: TrainingFacts): SuitedRecipe | undefined {
  if (recipe === 'photos') return photos(facts)
  if (recipe === 'detect') return detect(facts)
  return recipe === 'sample' ? small(facts) : undefined
}

/**
 * Two cores compute about 11 thousand million multiplications of a forward pass in a second of training, in networks of width 16 as
 * in those of width 64; a graphics card is taken for 30 times as fast.
 */
const macsPerSecond = (device: Device): number => (device === 'cpu' ? 11e9 : 330e9)

/** Of a ResNet of width 64 with ImageNet's stem on 224×224 pixels (torchvision's figures). */
const macsAt224 = { resnet18: 1.82e9, resnet34: 3.67e9, resnet50: 4.11e9 } as const

/** How many times as many pixels the stages see as with ImageNet's stem, which halves sides twice. */
const pixelsOf = { imagenet: 1, strided: 4, cifar: 16 } as const

interface Network {
  readonly name: ResNetName
  readonly width: number
  readonly stem: StemName
}

function secondsAnImage({ name, width, stem }: Network, pixels: number, device: Device): number {
  const macs = (macsAt224[name] * pixels * pixelsOf[stem] * width ** 2) / (224 ** 2 * 64 ** 2)
  return macs / macsPerSecond(device)
}

/** Few images are seen more often, but not so often that each counts as much as one of many: √n views in all. */
function epochsFor(images: number, factor: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.round(factor / Math.sqrt(images))))
}

/** An epoch has ten steps or more, where there are as many images. */
function batchFor(images: number, most: number): number {
  const powers = [128, 64, 32, 16, 8].filter(batch => batch <= most)
  return powers.find(batch => images >= 10 * batch) ?? powers.at(-1)!
}

/** A size that was tried: images of `size` pixels, and how long that takes. */
interface Plan {
  readonly size: number
  readonly network: Network
  readonly minutes: number
}

/** The largest that the time allows and the images fill; the first one at least. */
function withinTime(plans: readonly Plan[], side: number, minutes: number): { plan: Plan; limit: string } {
  // Up to a third larger than the images: a crop of a part of one is enlarged anyway.
  const filled = plans.filter(({ size }) => size <= (4 / 3) * side)
  const affordable = filled.filter(plan => plan.minutes <= minutes)
  const plan = affordable.at(-1) ?? plans[0]!
  return {
    plan,
    limit: affordable.length < filled.length ? `larger ones would take more than ${minutes} minutes` : '',
  }
}

function inMinutes(minutes: number): string {
  if (minutes < 1) return 'less than a minute'
  return minutes < 90 ? `about ${Math.round(minutes)} min` : `about ${Math.round(minutes / 60)} h`
}

/** Minutes that a classifier of few images may take on two cores, and a detector. */
const time = { photos: 10, detect: 60 } as const

/** From random first values: networks for each size, the stem so that stages see about as many pixels. */
const photoNetworks = [
  { size: 96, network: { name: 'resnet18', stem: 'strided', width: 16 } },
  { size: 128, network: { name: 'resnet18', stem: 'strided', width: 16 } },
  { size: 224, network: { name: 'resnet18', stem: 'imagenet', width: 32 } },
] as const

function photos(facts: TrainingFacts): SuitedRecipe {
  const { data, weights, device } = facts
  const { images, shorter: side = usualSide } = data
  const epochs = weights === undefined ? epochsFor(images, 2000, 8, 150) : epochsFor(images, 400, 4, 30)
  const plans = photoNetworks.map(({ size, network }): Plan => {
    const used = weights === undefined ? network : { ...weights, stem: weights.stem ?? network.stem }
    const seconds = secondsAnImage(used, size ** 2, device) * images * epochs
    return { size, network: used, minutes: seconds / 60 }
  })
  const { plan, limit } = withinTime(plans, side, time.photos)
  const batch = batchFor(images, weights === undefined ? 128 : 64)
  const { size, network, minutes } = plan
  return {
    recipe: 'photos',
    settings: [
      `data.size=${size}`,
      ...(weights === undefined
        ? [
            `model.name=${network.name}`,
            `model.stem=${network.stem}`,
            `model.width=${network.width}`,
            `optimizer.learningRate=${rate(0.05, batch)}`,
          ]
        : [...fineTuning(facts), `optimizer.learningRate=${rate(0.01, batch)}`]),
      `training.epochs=${epochs}`,
      `training.batch=${batch}`,
    ],
    reason: reasonOf(data, 'photos', [
      `${size} pixels${limit === '' ? '' : ` (${limit})`}`,
      `${epochs} epochs in batches of ${batch}`,
      ...(weights === undefined ? [] : ['a tenth of the rates and milder changes, as weights are given']),
      `${inMinutes(minutes)} on ${device === 'cpu' ? 'two cores' : device}`,
    ]),
  }
}

/** Rates grow with the batch, of which 32 is the usual one here (Goyal et al. 2017). */
const rate = (of32: number, batch: number): number => Number(((of32 * batch) / 32).toPrecision(2))

/** Weights that know pictures already need less against overfitting. Experts are added to a stage that stays, as copies of it. */
function fineTuning({ weights, chosen }: TrainingFacts): readonly string[] {
  const isMixture = chosen.get('network') !== 'plain' && weights?.hasExperts === false
  return [
    'optimizer.weightDecay=1e-4',
    'augmentation.transforms=[{"name":"random-resized-crop","least":0.35}]',
    ...(isMixture ? ['model.moe.0.style=shared', 'model.weightsPart=copies'] : []),
  ]
}

function detect({ data, weights, device, chosen }: TrainingFacts): SuitedRecipe {
  const { images, longer: side = 4 * usualSide } = data
  const epochs = weights === undefined ? epochsFor(images, 2000, 12, 150) : epochsFor(images, 200, 6, 20)
  const network = weights ?? ({ name: 'resnet18', stem: 'imagenet', width: 16 } as const)
  const keepsHeads = weights?.hasHeads === true && !chosen.has('network')
  // Boxes that a trained detector knows must not become much smaller.
  const sizes = weights === undefined ? [160, 256, 320, 512, 800] : [320, 512, 800]
  const plans = sizes.map((size): Plan => {
    const pixels = size * shortestFor(size)
    const used = { ...network, stem: network.stem ?? 'imagenet' } as const
    // Pyramid and heads cost about as much as one and a half backbones.
    const seconds = 2.5 * secondsAnImage(used, pixels, device) * images * epochs
    return { size, network: used, minutes: seconds / 60 }
  })
  const { plan, limit } = withinTime(plans, side, time.detect)
  const batch = batchFor(images, 8)
  return {
    recipe: 'detect',
    settings: [
      `data.size=${plan.size}`,
      `data.shortest=${shortestFor(plan.size)}`,
      ...(weights === undefined
        ? []
        : [
            'optimizer.learningRate=1e-4',
            'model.detector.freeze=batch-norm',
            'model.detector.anchors.size=4',
          ]),
      // Heads that are mixtures begin at random.
      ...(keepsHeads ? ['model.detector.mixture=null'] : []),
      `training.epochs=${epochs}`,
      `training.batch=${batch}`,
    ],
    reason: reasonOf(data, 'detect', [
      `at most ${plan.size} pixels${limit === '' ? '' : ` (${limit})`}`,
      `${epochs} epochs in batches of ${batch}`,
      ...(weights === undefined
        ? []
        : [`a lower rate${keepsHeads ? ' and plain heads' : ''}, as weights are given`]),
      `${inMinutes(plan.minutes)} on ${device === 'cpu' ? 'two cores' : device}`,
    ]),
  }
}

/** A canvas for photographs of 4 by 3, in whole strides of the pyramid. */
const shortestFor = (size: number): number => 32 * Math.ceil((0.75 * size) / 32)

/** Below this, eight epochs of the sample's recipe would be a few steps. */
const enoughForSample = 5000

function small({ data }: TrainingFacts): SuitedRecipe {
  const { images } = data
  if (images >= enoughForSample)
    return { recipe: 'sample', settings: [], reason: reasonOf(data, 'sample', ['made for such images']) }
  const batch = batchFor(images, 128)
  const epochs = epochsFor(images, 2000, 8, 150)
  return {
    recipe: 'sample',
    settings: [
      `training.epochs=${epochs}`,
      `training.batch=${batch}`,
      `optimizer.learningRate=${rate(0.05, batch)}`,
    ],
    reason: reasonOf(data, 'sample', [`${epochs} epochs in batches of ${batch}`]),
  }
}

const labelled = { classes: 'of one class each', labels: 'with any number of labels', boxes: 'with boxes' }

function reasonOf(
  { kind, images, classes, shorter, longer }: DataFacts,
  recipe: string,
  chosen: readonly string[],
): string {
  const size =
    shorter === undefined || longer === undefined ? '' : `, the median of them ${longer}×${shorter} pixels`
  return `recipe ${recipe}, for ${images} training images ${labelled[kind]} (${classes} classes)${size}: ${chosen.join('; ')}`
}
