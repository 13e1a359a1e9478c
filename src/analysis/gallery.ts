import type { RoutedLayer } from '../tasks/routing.ts'

/**
 * The images with the largest weight for an expert, at most `perClass` of a class so that one class cannot fill the gallery: an
 * image is passed over where that many before it show each of its classes, or have none either. Equal weights in the order of
 * the gate's logits, then of the images. Images that did not choose the expert are not in it.
 *
 * @param labels - the classes of each image
 * @returns numbers of images, most weight first
 */
export function galleryOf(
  { experts, weights, logits }: Pick<RoutedLayer, 'experts' | 'weights' | 'logits'>,
  labels: readonly (readonly number[])[],
  expert: number,
  { count, perClass }: { readonly count: number; readonly perClass: number },
): number[] {
  const weight = (n: number): number => weights[n * experts + expert]!
  const logit = (n: number): number => logits[n * experts + expert]!
  const chosen = Array.from(labels.keys()).filter(n => weight(n) > 0)
  chosen.sort((a, b) => weight(b) - weight(a) || logit(b) - logit(a) || a - b)
  const taken = new Map<number, number>()
  const gallery: number[] = []
  for (const n of chosen) {
    if (gallery.length === count) break
    const own = labels[n]!.length === 0 ? [none] : labels[n]!
    if (own.every(label => (taken.get(label) ?? 0) >= perClass)) continue
    for (const label of own) taken.set(label, (taken.get(label) ?? 0) + 1)
    gallery.push(n)
  }
  return gallery
}

/** Stands for the class of images without one. */
const none = -1
