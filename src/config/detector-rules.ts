import { builtInDataset, taskOfData } from '../data/datasets/registry.ts'
import type { Mistake } from './explain.ts'
import { gateNamed } from './moe.ts'
import type { ParsedConfig } from './schema.ts'
import type { Path } from './shape.ts'

type Mixture = NonNullable<NonNullable<ParsedConfig['model']['detector']>['mixture']>

/** Whether a data set is a folder of images with boxes. */
export function isBoxFolder(name: string): boolean {
  const facts = builtInDataset(name)
  return facts?.task === 'detection' && facts.source === 'user'
}

/** What a detector, its data and its heads ask of each other; for a classifier, that it has none of it. */
export function detectorRules(
  config: ParsedConfig,
  imageSize: number,
  routingRules: (mixture: Mixture, path: Path) => Mistake[],
): Mistake[] {
  const { model } = config
  if (model.detector === null) return classifierRules(config, imageSize)
  const { mixture } = model.detector
  const path = ['model', 'detector', 'mixture'] as const
  return [
    ...trainingRules(config),
    ...annotationRules(config),
    ...backboneFreezeRule(config),
    ...freezeRules(config),
    ...weightsRules(config),
    ...copyRules(model),
    ...(mixture === null ? [] : [...routingRules(mixture, path), ...headRules(config, mixture, path)]),
  ]
}

function classifierRules({ data, model }: ParsedConfig, imageSize: number): Mistake[] {
  const mistakes: Mistake[] = []
  if (taskOfData(data.name) === 'detection')
    mistakes.push({
      path: ['data', 'name'],
      message: `${data.name} has boxes and no single class an image, but the model is a classifier`,
      help: 'take the recipe of a detector, as in `moiety train scenes --data DIR` (others: coco-32, paper-retinanet), set model.detector to {}, or take data of one class an image: sample, cifar10, cifar100 or folder',
    })
  else if (data.shortest !== null && data.shortest !== imageSize)
    mistakes.push({
      path: ['data', 'shortest'],
      message: `images of ${data.name} are square, so no side is the shorter one`,
      help: 'leave data.shortest out; it is for images with boxes',
    })
  if (model.freeze !== null && model.freeze.length > 0 && model.weights === null)
    mistakes.push({
      path: ['model', 'freeze'],
      message: 'frozen stages keep first values, but model.weights names nothing that they have learned',
      help: 'set model.from to a file with weights or a run, or model.freeze to null',
    })
  if (model.weightsPart === 'features')
    mistakes.push({
      path: ['model', 'weightsPart'],
      message: 'features is a part of a detector, but the model is a classifier',
      help: 'take backbone, trunk or auto',
    })
  return [...mistakes, ...weightsRules({ model }), ...copyRules(model)]
}

/** Mixtures that cannot begin as copies of what they replace. */
function copyRules({ name, weightsPart, copyNoise, moe }: ParsedConfig['model']): Mistake[] {
  if (weightsPart !== 'copies')
    return copyNoise === 0
      ? []
      : [
          {
            path: ['model', 'copyNoise'],
            message: `noise is added to experts that begin as copies, but weightsPart is ${weightsPart}`,
            help: 'set model.weightsPart to copies, or leave copyNoise out',
          },
        ]
  return moe.flatMap(({ style, position }, i) =>
    style === 'resblock' && position === 1 && name !== 'resnet50'
      ? [
          {
            path: ['model', 'moe', i, 'style'],
            message:
              "the shortcut around a mixture at position 1 is the input itself, so that copies of the stage would not begin with the plain network's output",
            help: 'set style to block or shared, or take weightsPart trunk or auto',
          },
        ]
      : [],
  )
}

function backboneFreezeRule({ model }: ParsedConfig): Mistake[] {
  if (model.freeze === null) return []
  return [
    {
      path: ['model', 'freeze'],
      message: 'it is for classifiers; what a detector freezes is model.detector.freeze',
      help: 'set model.freeze to null, and model.detector.freeze to batch-norm, early-stages, features or trunk',
    },
  ]
}

function annotationRules({ data }: ParsedConfig): Mistake[] {
  if (data.annotations === null && data.images === null) return []
  if (!isBoxFolder(data.name))
    return [
      {
        path: ['data', data.annotations === null ? 'images' : 'annotations'],
        message: `${data.name} has no annotation files to name`,
        help: 'set data.name to boxes',
      },
    ]
  if (data.annotations?.train) return []
  return [
    {
      path: ['data', 'annotations', 'train'],
      message: 'expected the annotation file of the training images, got none',
      help: 'for example --set data.annotations.train=annotations/train.json',
    },
  ]
}

function trainingRules({ data, augmentation, model, training }: ParsedConfig): Mistake[] {
  const mistakes: Mistake[] = []
  const { matching } = model.detector!
  if (taskOfData(data.name) !== 'detection')
    mistakes.push({
      path: ['data', 'name'],
      message: `a detector learns from boxes, and ${data.name} has none`,
      help:
        data.name === 'folder'
          ? 'the folder has no annotations in a layout of COCO, YOLO or Pascal VOC (docs/guide/detection-data.md): add them, or name COCO files with --set data.annotations.train=FILE; for a classifier take another recipe, as sample'
          : 'take scenes or --data DIR, a folder of images with boxes, or set model.detector to null for a classifier',
    })
  if (data.shortest !== null && data.size !== null && data.shortest > data.size)
    mistakes.push({
      path: ['data', 'shortest'],
      message: `the shorter side, ${data.shortest}, cannot be longer than the longer, data.size ${data.size}`,
      help: 'swap them',
    })
  if (data.name === 'scenes' && data.shortest !== null && data.shortest !== (data.size ?? 128))
    mistakes.push({
      path: ['data', 'shortest'],
      message: `scenes are square, so their shorter side cannot be ${data.shortest}`,
      help: 'leave data.shortest out',
    })
  for (const key of ['crop', 'jitter'] as const)
    if (augmentation[key] !== null)
      mistakes.push({
        path: ['augmentation', key],
        message: `${key} is for classifiers: it would leave the boxes where they were, or is not done with boxes`,
        help: `set augmentation.${key} to null; detectors are trained with flips`,
      })
  if (training.labelSmoothing !== 0)
    mistakes.push({
      path: ['training', 'labelSmoothing'],
      message: 'the focal loss of a detector has no label to smooth',
      help: 'set training.labelSmoothing to 0',
    })
  if (matching.background > matching.foreground)
    mistakes.push({
      path: ['model', 'detector', 'matching', 'background'],
      message: `an anchor would be background and of an object at once: background ${matching.background} is above foreground ${matching.foreground}`,
      help: 'METHOD.md §5.1 has 0.4 and 0.5',
    })
  return mistakes
}

/** The last position of the backbone that training leaves unchanged. */
const frozenTo = { nothing: -1, 'batch-norm': -1, 'early-stages': 3, features: 4, trunk: 4 } as const

function freezeRules({ model }: ParsedConfig): Mistake[] {
  const mistakes: Mistake[] = []
  const { freeze, mixture } = model.detector!
  const last = frozenTo[freeze]
  const path = ['model', 'detector', 'freeze'] as const
  if (freeze === 'trunk' && mixture === null)
    mistakes.push({
      path,
      message: 'with the trunk frozen only experts and gates of the heads are trained, and there are none',
      help: 'set model.detector.mixture, or freeze to nothing, batch-norm, early-stages or features',
    })
  else if (last >= 0 && model.weights === null)
    mistakes.push({
      path,
      message:
        freeze === 'trunk'
          ? 'the trunk is frozen, but model.weights names nothing that it has learned'
          : `freeze ${freeze} keeps first values, but model.weights names nothing that they have learned`,
      help: 'set model.weights to a trained run or a file and model.weightsPart to what is taken from it, or freeze to nothing',
    })
  else if (
    last >= 4 &&
    (model.weightsPart === 'auto' || (freeze === 'trunk' && model.weightsPart === 'all-but-classes'))
  )
    mistakes.push({
      path: ['model', 'weightsPart'],
      message: `weightsPart ${model.weightsPart} may leave ${freeze === 'trunk' ? 'heads' : 'the pyramid'} at random, and freeze ${freeze} would keep them so`,
      help: `name what is taken from the weights: whole, trunk${freeze === 'trunk' ? '' : ', features, all-but-classes'} or copies`,
    })
  else if (leavesFrozenAtRandom(freeze, model.weightsPart))
    mistakes.push({
      path: ['model', 'weightsPart'],
      message: `weightsPart ${model.weightsPart} leaves ${model.weightsPart === 'backbone' ? 'pyramid and heads' : 'the heads'} at random, and freeze ${freeze} would keep ${model.weightsPart === 'backbone' && freeze === 'features' ? 'the pyramid' : 'them'} so`,
      help: `take weightsPart trunk, or freeze ${model.weightsPart === 'backbone' ? 'early-stages or batch-norm' : 'features'}`,
    })
  const frozen = model.moe.findIndex(({ position }) => position <= last)
  if (frozen >= 0)
    mistakes.push({
      path: ['model', 'moe', frozen],
      message: `freeze ${freeze} leaves position ${model.moe[frozen]!.position} of the backbone unchanged, and a mixture of experts in it would never learn`,
      help: 'leave it out, or set model.detector.freeze to nothing or batch-norm',
    })
  return mistakes
}

/** Whether a part that is not trained would not come from the weights either. */
function leavesFrozenAtRandom(
  freeze: keyof typeof frozenTo,
  part: ParsedConfig['model']['weightsPart'],
): boolean {
  if (freeze === 'trunk') return part === 'backbone' || part === 'features'
  return freeze === 'features' && part === 'backbone'
}

function weightsRules({ model }: Pick<ParsedConfig, 'model'>): Mistake[] {
  const { weightsPart } = model
  if (weightsPart !== 'copies') return []
  if (model.detector?.mixture?.part === 'head' || model.moe.length > 0) return []
  return [
    {
      path: ['model', 'weightsPart'],
      message: 'copies are what experts that replace a head or a stage can begin as, and there are none',
      help: `set ${model.detector === null ? 'model.moe' : 'model.detector.mixture with part head'}, or take weightsPart trunk`,
    },
  ]
}

function headRules({ data, model }: ParsedConfig, { gate }: Mixture, path: Path): Mistake[] {
  const { least } = gateNamed(gate)
  if (least === undefined) return []
  const size = data.shortest ?? data.size ?? (isBoxFolder(data.name) ? 608 : 128)
  const stride = { cifar: 32, strided: 64, imagenet: 128 }[model.stem]
  const side = Math.ceil(size / stride)
  if (side >= least.side) return []
  return [
    {
      path: [...path, 'gate'],
      message: `${least.because} and needs ${least.side}×${least.side} positions; the smallest level has ${side}`,
      help: 'take gate gap-fc, or larger images',
    },
  ]
}
