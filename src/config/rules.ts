import type { OptionMistake } from '../base/component.ts'
import { describeSchema, showValue } from '../base/schemas.ts'
import { datasets, sizesOf, taskOfData } from '../data/datasets/registry.ts'
import { metrics } from '../metrics/registry.ts'
import { constraints } from '../moe/index.ts'
import { optimizers, schedules } from '../optim/index.ts'
import { detectorRules } from './detector-rules.ts'
import type { Mistake } from './explain.ts'
import { gateNamed } from './moe.ts'
import type { ParsedConfig } from './schema.ts'
import type { Path } from './shape.ts'

/** Rules between keys: what the schema of a single key cannot say. Each gives its reason. */
export function brokenRules(config: ParsedConfig, imageSize: number): Mistake[] {
  return [
    ...dataRules(config, imageSize),
    ...dataOptionRules(config),
    ...networkRules(config),
    ...metricRules(config),
    ...lossRules(config),
    ...optimizerRules(config),
    ...scheduleRules(config),
    ...replicaRules(config),
    ...classRules(config),
    ...resizingRules(config, imageSize),
    ...samePosition(config),
    ...detectorRules(config, imageSize, routingRules),
    ...labelRules(config),
    ...config.model.moe.flatMap((layer, index) =>
      layerRules(layer, ['model', 'moe', index], config, imageSize),
    ),
  ]
}

type Layer = ParsedConfig['model']['moe'][number]
type RoutingKeys = Pick<
  Layer,
  'experts' | 'k' | 'weighting' | 'noise' | 'constraint' | 'dispatch' | 'capacityFactor'
>

function dataRules({ data, augmentation, model }: ParsedConfig, imageSize: number): Mistake[] {
  const mistakes: Mistake[] = []
  const { usual, range: [least, most] = [0, Number.POSITIVE_INFINITY] } = sizesOf(data.name)
  if (data.size !== null && (data.size < least || data.size > most))
    mistakes.push({
      path: ['data', 'size'],
      message:
        least === most
          ? `the images of ${data.name} are ${usual}×${usual}, came size ${data.size}`
          : `${data.name} are drawn at ${least} to ${most} pixels, came ${data.size}`,
      help: `leave data.size out for ${usual}`,
    })
  if (augmentation.crop !== null && augmentation.crop.padding >= imageSize)
    mistakes.push({
      path: ['augmentation', 'crop', 'padding'],
      message: `padding ${augmentation.crop.padding} must be smaller than the image, ${imageSize} pixels`,
      help: 'a crop could otherwise show nothing but padding; 4 is usual for 32×32',
    })
  if (model.from !== undefined)
    mistakes.push({
      path: ['model', 'from'],
      message: 'what it stands for is found by reading the file, and it was not read here',
      help: 'in code, call withModelFrom of moiety/train before resolveConfig',
    })
  if (model.weights === null && model.weightsEntry !== null)
    mistakes.push({
      path: ['model', 'weightsEntry'],
      message: `${model.weightsEntry} is an entry of a file, but model.weights names none`,
      help: 'set model.weights, or leave weightsEntry out',
    })
  if (model.weights === null && model.weightsPart !== 'whole')
    mistakes.push({
      path: ['model', 'weightsPart'],
      message: `${model.weightsPart} says which part of published weights to load, but model.weights names no file`,
      help: 'set model.weights to a file, or leave weightsPart out',
    })
  return mistakes
}

/** What a data set of a user's own says of its options. */
function dataOptionRules({ data: { name, options = {} } }: ParsedConfig): Mistake[] {
  const path = ['data', 'options']
  const dataset = datasets.find(name)
  if (dataset === undefined)
    return Object.keys(options).length === 0
      ? []
      : [
          {
            path,
            message: `${name} has no options`,
            help: 'leave data.options out; it is for data sets of your own',
          },
        ]
  const { shape } = dataset.schema
  const known = Object.keys(shape).filter(key => key !== 'name')
  return Object.entries(options).flatMap(([key, value]): Mistake[] => {
    const schema = Object.getOwnPropertyDescriptor(shape, key)?.value
    if (schema === undefined || key === 'name')
      return [
        {
          path: [...path, key],
          message: `the data set "${name}" has no option ${showValue(key)}`,
          help: known.length === 0 ? 'it has none' : `its options are ${known.join(', ')}`,
        },
      ]
    if (schema.safeParse(value).success) return []
    return [
      {
        path: [...path, key],
        message: `expected ${describeSchema(schema)}, came ${showValue(value)}`,
        help: schema.description,
      },
    ]
  })
}

/** Whether the images of a configuration have one class each: those of a detector and of multi-label have not. */
function hasOneClassEach({ data, model }: Pick<ParsedConfig, 'data' | 'model'>): boolean {
  return model.detector === null && taskOfData(data.name) !== 'multi-label'
}

/** A metric is given what the networks of its task give. */
function metricRules(config: ParsedConfig): Mistake[] {
  const { data, model, training } = config
  const task = model.detector === null ? taskOfData(data.name) : 'detection'
  return (training.metrics ?? []).flatMap(({ name }, i): Mistake[] => {
    const own = metrics.get(name).task
    if (own === task) return []
    return [
      {
        path: ['training', 'metrics', i, 'name'],
        message: `the metric "${name}" is for ${own}, but this is ${task}`,
        help: `leave it out, or define one with task: '${task}'`,
      },
    ]
  })
}

/** A loss of the user's own is all of the loss of a network that gives a logit for each class. */
function lossRules({ model, training }: ParsedConfig): Mistake[] {
  const { loss, classWeights } = training
  if (loss === undefined) return []
  if (model.detector !== null)
    return [
      {
        path: ['training', 'loss'],
        message: `the loss ${loss.name} is given a logit for each class, and a detector has boxes, too`,
        help: 'leave training.loss out',
      },
    ]
  return classWeights === undefined
    ? []
    : [
        {
          path: ['training', 'classWeights'],
          message: `they weight the cross-entropy, and this is trained with the loss ${loss.name}`,
          help: 'leave them out, or weight classes in the loss',
        },
      ]
}

/** A network of a user's own is all of the network. */
function networkRules({ model }: ParsedConfig): Mistake[] {
  if (model.network === undefined) return []
  const described = `the network ${model.network.name} is built by its own code`
  return [
    ...(model.moe.length === 0
      ? []
      : [
          {
            path: ['model', 'moe'],
            message: `${described}, so no mixture can be put into it`,
            help: 'set model.moe to [], and build mixtures in the network',
          },
        ]),
    ...(model.detector === null
      ? []
      : [
          {
            path: ['model', 'detector'],
            message: `${described}, and it gives one logit for each class, no boxes`,
            help: 'set model.detector to null',
          },
        ]),
    ...(model.weightsPart === 'whole'
      ? []
      : [
          {
            path: ['model', 'weightsPart'],
            message: `${described}, so nothing is known of its parts`,
            help: 'leave weightsPart and model.from out; model.weights names a file with all of its tensors, or a run',
          },
        ]),
  ]
}

function optimizerRules({ optimizer }: ParsedConfig): Mistake[] {
  return mistakesAt(['optimizer'], optimizers.get(optimizer.name).check?.(optimizer))
}

/** What a component finds wrong, at its place in the configuration. */
function mistakesAt(path: Path, found: readonly OptionMistake[] = []): Mistake[] {
  return found.map(({ key, message, help }) => {
    const keys = key.split('.').map(part => (/^\d+$/.test(part) ? Number(part) : part))
    return { path: [...path, ...keys], message, help }
  })
}

function scheduleRules({ schedule, training }: ParsedConfig): Mistake[] {
  const mistakes = mistakesAt(['schedule'], schedules.get(schedule.name).check?.(schedule))
  if (schedule.warmup !== null && schedule.warmup.epochs > training.epochs)
    mistakes.push({
      path: ['schedule', 'warmup', 'epochs'],
      message: `a warm-up of ${schedule.warmup.epochs} epochs is longer than the training, ${training.epochs}`,
      help: 'shorten the warm-up or raise training.epochs',
    })
  return mistakes
}

function replicaRules({ training: { replicas, accumulate = 1, batch }, model }: ParsedConfig): Mistake[] {
  // One image is no statistics: where a map is of one pixel, BatchNorm would make zeros of it.
  const least = model.detector === null ? 2 : 1
  if (replicas > 1 && 2 * replicas > batch)
    return [
      {
        path: ['training', 'replicas'],
        message: `a batch of ${batch} images cannot be divided into ${replicas} parts of two images or more`,
        help: 'lower training.replicas to the number of cores, or raise training.batch',
      },
    ]
  const parts = replicas * accumulate
  if (accumulate === 1 || least * parts <= batch) return []
  return [
    {
      path: ['training', 'accumulate'],
      message: `a batch of ${batch} images cannot be divided into ${parts} parts of ${least === 2 ? 'two images or more' : 'an image or more'}`,
      help: `training.batch is the images of a whole step: for ${accumulate} parts of 32 images, ${accumulate * replicas * 32}`,
    },
  ]
}

/** What needs labels of whole images, or one of each. */
function classRules({ data, augmentation, training, model }: ParsedConfig): Mistake[] {
  const isDetector = model.detector !== null
  const mistake = (path: Path, value: unknown, because: string, help: string): Mistake[] =>
    value === undefined ? [] : [{ path, message: because, help }]
  const { scaleJitter, mosaic } = augmentation
  const ofDetectors = isDetector
    ? []
    : [
        ...mistake(
          ['augmentation', 'scaleJitter'],
          scaleJitter,
          'it changes images with boxes, and these have none',
          'leave it out; the transform random-resized-crop is for classifiers',
        ),
        ...mistake(
          ['augmentation', 'mosaic'],
          mosaic,
          'it joins images with boxes, and these have none',
          'leave it out; augmentation.mixup and cutmix are for classifiers',
        ),
      ]
  if (hasOneClassEach({ data, model })) return ofDetectors
  const sampling = mistake(
    ['data', 'sampling'],
    data.sampling,
    `it needs one class for each image, and the images of ${isDetector ? 'a detector have none' : 'multi-label have any number of them'}`,
    isDetector
      ? 'leave it out; it is for classifiers'
      : 'leave it out; training.classWeights=balanced weights classes',
  )
  if (!isDetector) return [...sampling, ...ofDetectors]
  const boxes = 'boxes of blended images would be of objects that are half there'
  const instead = 'leave it out; augmentation.mosaic joins images with boxes'
  return [
    ...sampling,
    ...mistake(['augmentation', 'mixup'], augmentation.mixup, boxes, instead),
    ...mistake(
      ['augmentation', 'cutmix'],
      augmentation.cutmix,
      'rectangles would hide parts of objects whose boxes stay',
      instead,
    ),
    ...mistake(
      ['training', 'classWeights'],
      training.classWeights,
      "the focal loss of a detector weights anchors by how hard they are, nearly all of which are background; classes' counts play no part in it",
      'leave it out; it is for classifiers',
    ),
  ]
}

function resizingRules(
  { training: { resizing, epochs }, model }: ParsedConfig,
  imageSize: number,
): Mistake[] {
  if (resizing === null) return []
  const mistakes: Mistake[] = []
  const path = ['training', 'resizing']
  if (model.detector !== null)
    mistakes.push({
      path,
      message: 'only images of a classifier are resized from epoch to epoch; boxes would have to be, too',
      help: 'leave training.resizing out',
    })
  const wrong = resizing.findIndex(({ size }) => size >= imageSize)
  if (wrong >= 0)
    mistakes.push({
      path: [...path, wrong, 'size'],
      message: `images of ${imageSize} pixels are made smaller for the first epochs, but ${resizing[wrong]!.size} came`,
      help: `set it below ${imageSize}`,
    })
  const smaller = resizing.reduce((total, stage) => total + stage.epochs, 0)
  if (smaller >= epochs)
    mistakes.push({
      path,
      message: `images would be made smaller for ${smaller} epochs, and the training has ${epochs}: none is left for their own size`,
      help: 'the network is tested on images of their own size, so its last epochs must see them; raise training.epochs, or shorten training.resizing',
    })
  return mistakes
}

function samePosition({ model }: ParsedConfig): Mistake[] {
  return model.moe.flatMap(({ position }, index) => {
    const first = model.moe.findIndex(other => other.position === position)
    return first === index
      ? []
      : [
          {
            path: ['model', 'moe', index, 'position'],
            message: `position ${position} already has the layer model.moe.${first}`,
            help: 'a position of the network holds one mixture-of-experts layer',
          },
        ]
  })
}

/** The images of a detector have boxes of many classes, and those of multi-label any number of classes: none has one of its own. */
function labelRules({ data, model }: ParsedConfig): Mistake[] {
  if (hasOneClassEach({ data, model })) return []
  const mixture = model.detector?.mixture ?? null
  const whose = model.detector === null ? 'of multi-label have any number of them' : 'of a detector have none'
  const layers: readonly [Path, RoutingKeys][] = [
    ...model.moe.map((layer, i): [Path, RoutingKeys] => [['model', 'moe', i], layer]),
    ...(mixture === null ? [] : [[['model', 'detector', 'mixture'], mixture] as [Path, RoutingKeys]]),
  ]
  return layers.flatMap(([path, { constraint }]) =>
    constraints.get(constraint.name).needsLabels === true
      ? [
          {
            path: [...path, 'constraint', 'name'],
            message: `${constraint.name} needs the class of each image, and the images ${whose}`,
            help: 'take another constraint, such as entropy or importance',
          },
        ]
      : [],
  )
}

function layerRules(layer: Layer, path: Path, config: ParsedConfig, imageSize: number): Mistake[] {
  return [
    ...routingRules(layer, path),
    ...expertRules(layer, path),
    ...gateRules(layer, path, config, imageSize),
  ]
}

function routingRules(
  { experts, k, weighting, noise, constraint, dispatch, capacityFactor }: RoutingKeys,
  path: Path,
): Mistake[] {
  if (k > experts)
    return [
      {
        path: [...path, 'k'],
        message: `each image is to be computed by ${k} experts, but the layer has ${experts} (K > E)`,
        help: `set k to ${experts} or less, or raise experts`,
      },
    ]
  const mistakes: Mistake[] = []
  if (k === 1 && experts > 1 && weighting === 'softmax-after-top-k')
    mistakes.push({
      path: [...path, 'weighting'],
      message:
        'with k = 1 the softmax after top-k is over one logit and constantly 1, so neither the task loss nor a ' +
        'constraint gives the gate any gradient: it would never learn (METHOD.md §1.1)',
      help: 'set weighting to softmax-before-top-k, or k to 2 as the paper has it',
    })
  if (capacityFactor !== undefined && dispatch !== 'capacity')
    mistakes.push({
      path: [...path, 'capacityFactor'],
      message: `dispatch ${dispatch} has no capacity: an expert takes all images that choose it`,
      help: 'set dispatch to capacity, or leave capacityFactor out',
    })
  const { check } = constraints.get(constraint.name)
  return [...mistakes, ...mistakesAt(path, check?.({ experts, k, noise }))]
}

function expertRules({ style, position, expertWidth }: Layer, path: Path): Mistake[] {
  const mistakes: Mistake[] = []
  if ((style === 'resblock' || style === 'shared') && position === 0)
    mistakes.push({
      path: [...path, 'style'],
      message:
        style === 'shared'
          ? 'the stem (position 0) is not a stage to which experts can be added'
          : 'the stem (position 0) has no shortcut, so it has no residual form',
      help: 'set style to block or conv, or take a position from 1 to 4',
    })
  if (expertWidth !== null && (style === 'conv' || position === 0))
    mistakes.push({
      path: [...path, 'expertWidth'],
      message: 'experts that are one convolution of the network have its width and no inner one',
      help: 'leave expertWidth out',
    })
  return mistakes
}

function gateRules(
  { gate, position, style }: Layer,
  path: Path,
  config: ParsedConfig,
  imageSize: number,
): Mistake[] {
  const { least } = gateNamed(gate)
  if (least === undefined) return []
  const smallest = Math.min(imageSize, ...(config.training.resizing ?? []).map(({ size }) => size))
  const side = inputSide(position, style, config.model.stem, smallest)
  if (side >= least.side) return []
  return [
    {
      path: [...path, 'gate'],
      message: `${least.because} and needs ${least.side}×${least.side} pixels; position ${position} has ${side}×${side}${smallest < imageSize ? ` while images are of ${smallest} pixels (training.resizing)` : ''}`,
      help: `take gate gap-fc, ${smallest < imageSize ? 'a larger size in training.resizing' : 'larger images'}, or an earlier position`,
    },
  ]
}

/** Height and width of the feature map that enters a layer, and so its gate. */
function inputSide(
  position: number,
  style: Layer['style'],
  stem: ParsedConfig['model']['stem'],
  imageSize: number,
): number {
  if (position === 0) return imageSize
  const halve = (side: number) => Math.floor((side - 1) / 2) + 1
  let side = { cifar: imageSize, strided: halve(imageSize), imagenet: halve(halve(imageSize)) }[stem]
  // A stage from the second on halves its input; a conv-style layer sits at the stage's end, after the halving.
  const halvings = style === 'conv' ? position - 1 : position - 2
  for (let i = 0; i < halvings; i++) side = halve(side)
  return side
}
