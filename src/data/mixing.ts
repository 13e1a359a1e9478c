import type { Draws } from '../base/random.ts'
import type { HostTensor } from '../base/tensor.ts'
import { betaOf } from './beta.ts'

/** How the images of a batch are mixed with each other. */
export interface MixingOptions {
  /** λ is drawn from Beta(alpha, alpha). */
  readonly mixup?: { readonly alpha: number } | undefined
  readonly cutmix?: { readonly alpha: number } | undefined
}

/** Whether images are mixed at all. */
export function isMixed({ mixup, cutmix }: MixingOptions): boolean {
  return mixup !== undefined || cutmix !== undefined
}

/** A rectangle of pixels, its ends not included. */
export interface Area {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/** What a batch gets. */
export interface Mixing {
  /** λ, the share of each image that is its own. */
  readonly share: number
  /** Where CutMix puts the other image's pixels; undefined: mixup, which blends all of them. */
  readonly area: Area | undefined
}

/**
 * Draws λ, and with both kinds which one: each as often (torchvision's `RandomChoice([CutMix, MixUp])`).
 *
 * - mixup (Zhang et al. 2018): x ← λ·x + (1 − λ)·x′
 * - CutMix (Yun et al. 2019): a rectangle of √(1 − λ) of the height and width, around a pixel drawn evenly and cut off at the
 *   edges, is taken from x′; λ is then the share of the pixels that are left. Rounded as in torchvision's `v2.CutMix`.
 */
export function drawMixing({ mixup, cutmix }: MixingOptions, size: number, source: Draws): Mixing {
  const cuts = mixup === undefined || (cutmix !== undefined && source.uniform() < 0.5)
  if (!cuts || cutmix === undefined) return { share: betaOf(mixup!.alpha, source), area: undefined }
  const half = Math.trunc(0.5 * Math.sqrt(1 - betaOf(cutmix.alpha, source)) * size)
  const [x, y] = [source.below(size), source.below(size)]
  const [left, right] = [Math.max(x - half, 0), Math.min(x + half, size)]
  const [top, bottom] = [Math.max(y - half, 0), Math.min(y + half, size)]
  const share = 1 - ((right - left) * (bottom - top)) / (size * size)
  return { share, area: { top, bottom, left, right } }
}

/**
 * Mixes each image of a batch with the one before it, the first with the last: torchvision's `roll(1, 0)`. The order of a batch is
 * random already.
 *
 * @param images - float32 [N, 3, H, W]
 */
export function mixImages(images: HostTensor, { share, area }: Mixing): HostTensor {
  const [count, channels, height, width] = images.shape as [number, number, number, number]
  const before = images.data as Float32Array
  const data = before.slice()
  const perImage = channels * height * width
  for (let image = 0; image < count; image++) {
    const own = image * perImage
    const other = partnerOf(image, count) * perImage
    if (area === undefined) {
      for (let i = 0; i < perImage; i++)
        data[own + i] = share * before[own + i]! + (1 - share) * before[other + i]!
      continue
    }
    for (let channel = 0; channel < channels; channel++)
      for (let y = area.top; y < area.bottom; y++) {
        const row = (channel * height + y) * width
        data.set(before.subarray(other + row + area.left, other + row + area.right), own + row + area.left)
      }
  }
  return { dtype: 'float32', shape: images.shape, data }
}

function partnerOf(image: number, count: number): number {
  return (image + count - 1) % count
}

/** What a network of mixed images should say. */
export interface MixedLabels {
  /** Of the images with the larger share; as what was mixed. */
  readonly labels: HostTensor
  /** Of the others. */
  readonly others: HostTensor
  /** float32 [N]: the share of `labels`, from ½ to 1. */
  readonly shares: HostTensor
}

/** @param labels - int64 [N], or [N, classes] of images with several labels, before the images were mixed */
export function mixLabels(labels: HostTensor, { share }: Pick<Mixing, 'share'>): MixedLabels {
  const [count = 0] = labels.shape
  const own = labels.data as BigInt64Array
  const row = count === 0 ? 0 : own.length / count
  const rolled = own.map((_, i) => own[partnerOf(Math.floor(i / row), count) * row + (i % row)]!)
  const [first, second] = share >= 0.5 ? [own, rolled] : [rolled, own]
  const shares = new Float32Array(count).fill(Math.max(share, 1 - share))
  return {
    labels: { dtype: 'int64', shape: labels.shape, data: first },
    others: { dtype: 'int64', shape: labels.shape, data: second },
    shares: { dtype: 'float32', shape: [count], data: shares },
  }
}
