import { significanceLevel } from '../../base/exact-tests.ts'
import type { LabelledItem, RoutedLayer } from '../../tasks/routing.ts'
import { affinityOf } from '../affinity.ts'
import type { AttributeFindings, LayerFindings } from '../findings.ts'
import type { TestOptions } from '../grouping-test.ts'
import { favourites } from '../image-experts.ts'
import { entropyBits, shareOfExperts } from '../information.ts'
import type { Attribute } from './attribute.ts'
import { attributedImages, attributePermutations, meanWeights, testAttribute } from './attribute-tests.ts'
import { bestAttribute } from './best-attribute.ts'

/** Images are exchanged with images of the same classes: those with the same set of labels have the same number. */
export function classSets(items: readonly LabelledItem[], images: number): Int32Array {
  const labels = Array.from({ length: images }, () => new Set<number>())
  for (const { image, label } of items) labels[image]!.add(label)
  const numbers = new Map<string, number>()
  return Int32Array.from(labels, own => {
    const set = [...own].sort((a, b) => a - b).join(' ')
    const number = numbers.get(set) ?? numbers.size
    numbers.set(set, number)
    return number
  })
}

/** Runs the steps of a test, reporting how far it is. */
export type RunTest = <T>(steps: Generator<number, T>, what: string, total: number) => Promise<T>

/** A ratio to chance from which a group is named, as of classes in captions. */
const notable = 1.3
/** Groups that are named of an attribute. */
const mostGroups = 2

/** What attributes of images say about a layer's experts, and by which of them each expert is explained best. */
export async function attributesOfLayer(
  layer: RoutedLayer,
  attributes: readonly Attribute[],
  classes: Int32Array,
  options: TestOptions,
  run: RunTest,
): Promise<Pick<LayerFindings, 'attributes' | 'attributeLeads'>> {
  const { experts } = layer
  const found: AttributeFindings[] = []
  const means: Float64Array[] = []
  for (const attribute of attributes) {
    const images = attributedImages(layer, attribute.of, classes)
    const weights = meanWeights(images)
    const flat = Float32Array.from(weights)
    const counts = attribute.groups.map((_, group) => images.groups.filter(own => own === group).length)
    const tests =
      attribute.groups.length < 2 || experts === 1
        ? null
        : await run(
            testAttribute(images, options),
            `permuting ${attribute.name}`,
            attributePermutations(layer.inputs, options),
          )
    means.push(weights)
    found.push({
      name: attribute.name,
      source: attribute.source,
      names: [...attribute.groups],
      counts,
      missing: attribute.of.length - images.groups.length,
      entropy: counts.length === 0 ? 0 : entropyBits(counts),
      affinity: affinityOf({ experts, weights: flat }, images.groups, attribute.groups.length),
      information: tests && {
        ...tests.information,
        share: shareOfExperts(tests.information.value, flat, experts),
      },
      ofClass: tests?.ofClass ?? null,
      givenClass: tests?.givenClass ?? null,
      classGiven: tests?.classGiven ?? null,
      givenLevel: tests?.givenLevel ?? null,
      byExpert: tests === null ? null : [...tests.byExpert],
    })
  }
  const tested = found.flatMap(({ information }, at) => (information === null ? [] : [at]))
  const groups = tested.map(at => attributes[at]!.of)
  const everyMean = meanWeights({
    ...{ experts, inputs: layer.inputs, weights: layer.weights },
    ...{ groups: new Int32Array(), classes },
  })
  const lead = (weights: ArrayLike<number>, outcomes: number, p: (at: number) => number, tests: number) => {
    const candidates = tested.flatMap((at, place) =>
      p(at) * tests * tested.length <= significanceLevel ? [place] : [],
    )
    const best = bestAttribute(weights, outcomes, candidates, groups)
    return (
      best && {
        ...best,
        first: tested[best.first]!,
        second: best.second === null ? null : tested[best.second]!,
      }
    )
  }
  return {
    attributes: found,
    attributeLeads: {
      choice: lead(everyMean, experts, at => found[at]!.information!.p, 1),
      experts: Array.from({ length: experts }, (_, expert) => {
        const best = lead(
          binary(everyMean, expert, experts),
          2,
          at => found[at]!.byExpert![expert]!.p,
          experts,
        )
        if (best === null) return null
        const own = found[best.first]!
        const { mean, deviation } = spreadOf(means[best.first]!, expert, experts)
        return {
          ...best,
          groups: favourites(own.affinity, own.counts, {
            ...{ expert, experts, overall: mean, spread: deviation },
          })
            .filter(({ lift }) => lift >= notable)
            .slice(0, mostGroups)
            .map(({ row, weight, lift }) => ({ group: row, weight, lift })),
        }
      }),
    },
  }
}

/** [images, 2]: the weight of an expert, and that of all others. */
function binary(weights: Float64Array, expert: number, experts: number): Float64Array {
  return Float64Array.from({ length: (2 * weights.length) / experts }, (_, at) => {
    const own = weights[Math.floor(at / 2) * experts + expert]!
    return at % 2 === 0 ? own : Math.max(0, 1 - own)
  })
}

function spreadOf(
  weights: Float64Array,
  expert: number,
  experts: number,
): { readonly mean: number; readonly deviation: number } {
  const count = weights.length / experts
  let [sum, squares] = [0, 0]
  for (let at = expert; at < weights.length; at += experts) {
    sum += weights[at]!
    squares += weights[at]! ** 2
  }
  const mean = sum / count
  return { mean, deviation: Math.sqrt(Math.max(0, squares / count - mean ** 2)) }
}
