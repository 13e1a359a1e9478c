import { type LabelledItem, type RoutedLayer, weightsAt } from '../tasks/routing.ts'

/** Images of an expert. */
const most = 6

/** The images with the largest weight for an expert, of several inputs the largest; equal ones by the gate's logit, then in order. */
export function mostWeighted(layer: RoutedLayer, expert: number): ExampleImage[] {
  const { experts, inputs, weights, logits } = layer
  const images = weights.length / (experts * inputs)
  const best = Array.from({ length: images }, (_, image) => {
    let [weight, logit] = [0, Number.NEGATIVE_INFINITY]
    for (let input = 0; input < inputs; input++) {
      weight = Math.max(weight, weightsAt(layer, image, input)[expert]!)
      logit = Math.max(logit, logits[(image * inputs + input) * experts + expert]!)
    }
    return { image, weight, logit }
  })
  return best
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || b.logit - a.logit || a.image - b.image)
    .slice(0, most)
    .map(({ image, weight }) => ({ image, weight }))
}

/** An image of a split and the weight that an expert has for it. */
export interface ExampleImage {
  /** Its number in the split. */
  readonly image: number
  readonly weight: number
}

/** The images of an expert with what is on them, as `metrics.jsonl` has it. */
export interface DescribedExample extends ExampleImage {
  /** Names of its classes, each once. */
  readonly classes: readonly string[]
}

/**
 * For each layer, by its name, and expert the images that give it most weight, those of its strip in TensorBoard's files.
 *
 * @param items - what has a class in the split
 */
export function describedExamples(
  routing: readonly RoutedLayer[],
  items: readonly LabelledItem[],
  classes: readonly string[],
): Readonly<Record<string, readonly (readonly DescribedExample[])[]>> {
  const found = routing.map(layer =>
    Array.from({ length: layer.experts }, (_, expert) => mostWeighted(layer, expert)),
  )
  const wanted = new Map(found.flat(2).map(({ image }) => [image, new Set<string>()] as const))
  for (const { image, label } of items) {
    const name = classes[label]
    if (name !== undefined) wanted.get(image)?.add(name)
  }
  return Object.fromEntries(
    routing.map(({ name }, i) => [
      name,
      found[i]!.map(images =>
        images.map(({ image, weight }) => ({
          image,
          weight: Number(weight.toFixed(4)),
          classes: [...wanted.get(image)!],
        })),
      ),
    ]),
  )
}
