import { detectorRules } from './detector-rules.ts'
import type { Mistake } from './explain.ts'
import type { ParsedConfig } from './schema.ts'
import type { Path } from './shape.ts'

/** Rules between keys: what the schema of a single key cannot say. Each gives its reason. */
export function brokenRules(config: ParsedConfig, imageSize: number): Mistake[] {
  return [
    ...dataRules(config, imageSize),
    ...optimizerRules(config),
    ...scheduleRules(config),
    ...replicaRules(config),
    ...resizingRules(config, imageSize),
    ...samePosition(config),
    ...detectorRules(config, imageSize, routingRules),
    ...config.model.moe.flatMap((layer, index) =>
      layerRules(layer, ['model', 'moe', index], config, imageSize),
    ),
  ]
}

type Layer = ParsedConfig['model']['moe'][number]
type RoutingKeys = Pick<Layer, 'experts' | 'k' | 'weighting' | 'noise' | 'constraint'>

function dataRules({ data, augmentation, model }: ParsedConfig, imageSize: number): Mistake[] {
  const mistakes: Mistake[] = []
  if (['sample', 'cifar10', 'cifar100'].includes(data.name) && data.size !== null && data.size !== 32)
    mistakes.push({
      path: ['data', 'size'],
      message: `the images of ${data.name} are 32×32, came size ${data.size}`,
      help: 'leave data.size out; only folder, multi-label, scenes and coco have sizes',
    })
  if (augmentation.crop !== null && augmentation.crop.padding >= imageSize)
    mistakes.push({
      path: ['augmentation', 'crop', 'padding'],
      message: `padding ${augmentation.crop.padding} must be smaller than the image, ${imageSize} pixels`,
      help: 'a crop could otherwise show nothing but padding; 4 is usual for 32×32',
    })
  if (model.weights === null && model.weightsPart !== 'whole')
    mistakes.push({
      path: ['model', 'weightsPart'],
      message: `${model.weightsPart} says which part of published weights to load, but model.weights names no file`,
      help: 'set model.weights to a safetensors file, or leave weightsPart out',
    })
  return mistakes
}

function optimizerRules({ optimizer }: ParsedConfig): Mistake[] {
  if (optimizer.name !== 'sgd' || !optimizer.nesterov || optimizer.momentum > 0) return []
  return [
    {
      path: ['optimizer', 'nesterov'],
      message: 'Nesterov looks ahead along the velocity, and without momentum there is none',
      help: 'set optimizer.momentum above 0, or optimizer.nesterov to false',
    },
  ]
}

function scheduleRules({ schedule, training }: ParsedConfig): Mistake[] {
  const mistakes: Mistake[] = []
  if (schedule.name === 'step') {
    const wrong = schedule.milestones.findIndex((epoch, i) => i > 0 && epoch <= schedule.milestones[i - 1]!)
    if (wrong > 0)
      mistakes.push({
        path: ['schedule', 'milestones', wrong],
        message: `milestones must increase, but ${schedule.milestones[wrong]} comes after ${schedule.milestones[wrong - 1]}`,
        help: 'each milestone lowers the rate once, in order',
      })
  }
  if (schedule.warmup !== null && schedule.warmup.epochs > training.epochs)
    mistakes.push({
      path: ['schedule', 'warmup', 'epochs'],
      message: `a warm-up of ${schedule.warmup.epochs} epochs is longer than the training, ${training.epochs}`,
      help: 'shorten the warm-up or raise training.epochs',
    })
  return mistakes
}

function replicaRules({ training: { replicas, batch } }: ParsedConfig): Mistake[] {
  // One image is no statistics: where a map is of one pixel, BatchNorm would make zeros of it.
  if (replicas === 1 || 2 * replicas <= batch) return []
  return [
    {
      path: ['training', 'replicas'],
      message: `a batch of ${batch} images cannot be divided into ${replicas} parts of two images or more`,
      help: 'lower training.replicas to the number of cores, or raise training.batch',
    },
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

function layerRules(layer: Layer, path: Path, config: ParsedConfig, imageSize: number): Mistake[] {
  return [
    ...routingRules(layer, path),
    ...expertRules(layer, path),
    ...gateRules(layer, path, config, imageSize),
  ]
}

function routingRules({ experts, k, weighting, noise, constraint }: RoutingKeys, path: Path): Mistake[] {
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
  if (k === experts && experts > 1 && ['loss-free', 'switch', 'load'].includes(constraint.name))
    mistakes.push({
      path: [...path, 'constraint', 'name'],
      message: `${constraint.name} balances which experts are chosen, but with K = E = ${k} all of them always are`,
      help: 'lower k, or take another constraint; importance and kl balance the weights of chosen experts too',
    })
  if (constraint.name === 'load' && noise === false && experts > 1)
    mistakes.push({
      path: [...path, 'noise'],
      message: "the load loss is the probability that noise on the logits changes an expert's selection",
      help: 'leave noise out or set it to true, or take another constraint',
    })
  return mistakes
}

function expertRules({ style, position, expertWidth }: Layer, path: Path): Mistake[] {
  const mistakes: Mistake[] = []
  if (style === 'resblock' && position === 0)
    mistakes.push({
      path: [...path, 'style'],
      message: 'the stem (position 0) has no shortcut, so it has no residual form',
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
  if (gate !== 'conv-gap-fc') return []
  const smallest = Math.min(imageSize, ...(config.training.resizing ?? []).map(({ size }) => size))
  const side = inputSide(position, style, config.model.stem, smallest)
  if (side >= 3) return []
  return [
    {
      path: [...path, 'gate'],
      message: `the 3×3 convolution of conv-gap-fc has no padding and needs 3×3 pixels; position ${position} has ${side}×${side}${smallest < imageSize ? ` while images are of ${smallest} pixels (training.resizing)` : ''}`,
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
