import { UMAP } from 'umap-js'
import { draws } from '../base/random.ts'
import type { RoutedLayer } from '../tasks/routing.ts'

/** How many images are placed, and how many neighbours of each its place depends on. */
export interface MapOptions {
  readonly seed: number
  readonly most: number
  readonly neighbours: number
  /** Called with the progress of the placement, in epochs. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Where some images lie. */
export interface LogitMap<L> {
  method: 'umap'
  /** Numbers within the split. */
  images: number[]
  x: number[]
  y: number[]
  neighbours: number
  /** The expert with the largest weight for each image. */
  top: number[]
  labels: L[]
}

/**
 * A map of the gate's logits: images whose logits are alike lie side by side (UMAP, McInnes et al. 2018, in place of METHOD.md
 * §6.3's t-SNE: it keeps more of what lies where and takes less time). Images are chosen at random; the same seed gives
 * the same map. Null where there are too few images, or all have the same logits.
 */
export async function logitMapOf<L>(
  { experts, logits, weights }: Pick<RoutedLayer, 'experts' | 'logits' | 'weights'>,
  labels: ArrayLike<L>,
  { seed, most, neighbours, onProgress }: MapOptions,
): Promise<LogitMap<L> | null> {
  const total = logits.length / experts
  const images = Array.from(draws(seed, 'logit map, images').permutation(total).subarray(0, most)).sort(
    (a, b) => a - b,
  )
  const points = images.map(n => Array.from(logits.subarray(n * experts, (n + 1) * experts)))
  const distinct = new Set(points.map(point => point.join()))
  if (images.length < 2 * neighbours || distinct.size <= neighbours) return null
  const random = draws(seed, 'logit map, places')
  const umap = new UMAP({ nNeighbors: neighbours, minDist: 0.1, random: () => random.uniform() })
  const epochs = umap.initializeFit(points)
  for (let epoch = 0; epoch < epochs; epoch++) {
    umap.step()
    if (epoch % 10 !== 0) continue
    onProgress?.(epoch, epochs)
    await new Promise(resolve => setImmediate(resolve))
  }
  onProgress?.(epochs, epochs)
  const places = umap.getEmbedding()
  if (places.some(place => !place.every(Number.isFinite))) return null
  const axis = (i: number): number[] => places.map(place => Number(place[i]!.toFixed(3)))
  return {
    method: 'umap',
    images,
    x: axis(0),
    y: axis(1),
    neighbours,
    top: images.map(n => placeOfLargest(weights.subarray(n * experts, (n + 1) * experts))),
    labels: images.map(n => labels[n]!),
  }
}

function placeOfLargest(row: Float32Array): number {
  return row.indexOf(Math.max(...row))
}
