/** What one image is to the network: its features, and which experts computed it. */
export interface Placed {
  /** [C] */
  readonly features: Float32Array
  /** Per layer, 1 for each expert that was chosen, [E]. */
  readonly routes: readonly Uint8Array[]
}

/** Images among which neighbours are looked for. */
export interface PlacedImages {
  /** N. */
  readonly images: number
  /** C. */
  readonly channels: number
  /** [N, C] row-major. */
  readonly features: Float32Array
  /** Per layer: E, and 1 for each expert that an image chose, [N, E]. */
  readonly routes: readonly { readonly experts: number; readonly chosen: Uint8Array }[]
}

/** An image that is like another to the network. */
export interface Neighbour {
  /** Its number. */
  readonly image: number
  /** Cosine of the angle between the features, −1 to 1. */
  readonly similarity: number
  /** Layers in which both chose the same experts; all of them wherever enough such images were found. */
  readonly sharedLayers: number
}

/**
 * The nearest images on the same route: first those that chose the same experts in every layer, by the cosine of their
 * features; only if there are fewer than `count`, those that share all layers but one, and so on.
 *
 * @returns the nearest first among those that share as many layers
 */
export function nearest(to: Placed, among: PlacedImages, count: number): Neighbour[] {
  const { images, channels, features } = among
  const length = Math.sqrt(dot(to.features, to.features))
  const best: Neighbour[] = []
  for (let image = 0; image < images && count > 0; image++) {
    const sharedLayers = sharedWith(to, among, image)
    const worst = best.length === count ? best.at(-1)! : undefined
    if (worst !== undefined && sharedLayers < worst.sharedLayers) continue
    const other = features.subarray(image * channels, (image + 1) * channels)
    const scale = length * Math.sqrt(dot(other, other))
    const found = { image, similarity: scale === 0 ? 0 : dot(to.features, other) / scale, sharedLayers }
    if (worst !== undefined && !isNearer(found, worst)) continue
    const place = best.findIndex(one => isNearer(found, one))
    best.splice(place === -1 ? best.length : place, 0, found)
    if (best.length > count) best.pop()
  }
  return best
}

/** Of two that are equal, the first one stays first. */
function isNearer(a: Neighbour, b: Neighbour): boolean {
  return a.sharedLayers > b.sharedLayers || (a.sharedLayers === b.sharedLayers && a.similarity > b.similarity)
}

/** In how many layers an image chose the same experts. */
function sharedWith({ routes }: Placed, among: PlacedImages, image: number): number {
  let shared = 0
  for (const [l, { experts, chosen }] of among.routes.entries()) {
    const own = routes[l]!
    let e = 0
    while (e < experts && own[e] === chosen[image * experts + e]) e++
    shared += Number(e === experts)
  }
  return shared
}

function dot(a: Float32Array, b: Float32Array): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!
  return total
}
