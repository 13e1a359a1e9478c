/** The settings of a network, inferred from the names and shapes of its tensors. */
import { fail } from '../base/errors.ts'
import type { ModelConfig } from '../config/config.ts'
import { type ResNetName, resnets, type StemName } from '../models/resnet.ts'

/** Names and shapes, torchvision's. */
export type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>

/** A ResNet, and what it is for. */
export interface NetworkFound {
  readonly name: ResNetName
  /** Null where it is `cifar` or `strided`: their tensors are the same, only the stride differs. */
  readonly stem: StemName | null
  readonly width: number
  /** Of the classifier; null where there is none. */
  readonly classes: number | null
  /** Of a RetinaNet. */
  readonly detector: DetectorFound | null
}

/** The pyramid and heads of a RetinaNet. */
export interface DetectorFound {
  /** Null where there are no heads. */
  readonly classes: number | null
  readonly channels: number
  readonly headDepth: number | null
  /** Which level the sixth one is made of; P5 in torchvision's `retinanet_resnet50_fpn`, C5 in its second version and here. */
  readonly p6From: 'C5' | 'P5'
}

/**
 * The network that these tensors are of. Mixtures of experts count as what they replace.
 *
 * @param file - for messages
 * @throws MoietyError `data` for another network than a ResNet of the supported ones
 */
export function networkOf(shapes: Shapes, file: string): NetworkFound {
  const plain = new Map([...shapes].map(([name, { shape }]) => [plainName(name), shape] as const))
  const refuse = (found: string): never =>
    fail({
      kind: 'data',
      message: `expected the weights of a ${Object.keys(resnets).join(', ')} with torchvision's names, found ${found}`,
      where: file,
      help: 'other networks cannot be loaded; choose weights of one of these',
    })
  const depths = [1, 2, 3, 4].map(stage => depthOf(plain, stage))
  if (depths.every(depth => depth === 0)) {
    const names = [...shapes.keys()]
    return refuse(`${names.length} tensors: ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''}`)
  }
  const isBottleneck = [...plain.keys()].some(name => /^layer[1-4]\.0\.conv3\.weight$/.test(name))
  const blocks = `${isBottleneck ? 'bottleneck' : 'basic'} blocks, ${depths.join(', ')} in the stages`
  const name = namesOf().find(
    one =>
      (resnets[one].expansion === 4) === isBottleneck &&
      resnets[one].depths.every((depth, i) => depth === depths[i]),
  )
  if (name === undefined) return refuse(blocks)
  const conv1 = plain.get('conv1.weight')
  if (conv1 === undefined) return refuse(`${blocks}, and no conv1.weight`)
  const width = conv1[0]!
  const inner = plain.get('layer1.0.conv2.weight')
  if (inner !== undefined && (inner[0] !== width || inner[1] !== width) && !isExpert(shapes, 'layer1'))
    return refuse(
      `${blocks}, and a 3×3 convolution from ${inner[1]} to ${inner[0]} channels in the first stage where conv1 has ${width} (grouped, or of another width)`,
    )
  const kernel = conv1[2]
  if (kernel !== 3 && kernel !== 7)
    return refuse(`${blocks}, and a first convolution of ${conv1.slice(2).join('×')}`)
  return {
    name,
    stem: kernel === 7 ? 'imagenet' : null,
    width,
    classes: plain.get('fc.weight')?.[0] ?? null,
    detector: detectorIn(plain),
  }
}

const namesOf = (): ResNetName[] => Object.keys(resnets) as ResNetName[]

/** `layer4.0.conv1.weight` of `layer4.experts.2.0.conv1.weight`; `conv1.weight` of `stem.experts.0.0.weight`. */
function plainName(name: string): string {
  return name
    .replace(/\.experts\.\d+\./, '.')
    .replace(/^stem\.0\./, 'conv1.')
    .replace(/^stem\.1\./, 'bn1.')
}

function isExpert(shapes: Shapes, stage: string): boolean {
  return shapes.has(`${stage}.experts.0.0.conv2.weight`)
}

function depthOf(plain: ReadonlyMap<string, unknown>, stage: number): number {
  let depth = 0
  while (plain.has(`layer${stage}.${depth}.conv1.weight`)) depth++
  return depth
}

function detectorIn(plain: ReadonlyMap<string, readonly number[]>): DetectorFound | null {
  const p6 = plain.get('fpn.extra_blocks.p6.weight')
  const lateral = plain.get('fpn.inner_blocks.2.0.weight')
  if (p6 === undefined || lateral === undefined) return null
  const outputs = plain.get('head.regression_head.bbox_reg.weight')
  const logits = plain.get('head.classification_head.cls_logits.weight')
  // Four numbers of a box for each anchor.
  const anchors = outputs === undefined ? undefined : outputs[0]! / 4
  let headDepth = 0
  while (plain.has(`head.regression_head.conv.${headDepth}.0.weight`)) headDepth++
  return {
    classes: logits === undefined || anchors === undefined ? null : logits[0]! / anchors,
    channels: p6[0]!,
    headDepth: headDepth === 0 ? null : headDepth,
    p6From: p6[1] === lateral[1] ? 'C5' : 'P5',
  }
}

/** The settings that make a model fit, as `--set` has them; a stem that the tensors leave open is the model's own. */
export function settingsFor(
  found: NetworkFound,
  model: { readonly stem?: unknown; readonly detector?: unknown },
): Partial<Pick<ModelConfig, 'name' | 'stem' | 'width'>> & Record<string, string | number> {
  const open = model.stem === 'strided' ? 'strided' : 'cifar'
  const { detector } = found
  const isDetector = typeof model.detector === 'object' && model.detector !== null
  return {
    name: found.name,
    stem: found.stem ?? open,
    width: found.width,
    ...(isDetector && detector !== null
      ? {
          'detector.channels': detector.channels,
          'detector.conventions': detector.p6From === 'P5' ? 'torchvision' : 'retinanet',
          ...(detector.headDepth === null ? {} : { 'detector.headDepth': detector.headDepth }),
        }
      : {}),
  }
}
