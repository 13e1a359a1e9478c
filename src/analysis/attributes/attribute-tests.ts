import type { RoutedLayer } from '../../tasks/routing.ts'
import type { TestOptions } from '../grouping-test.ts'
import { conditionalInformation, tableInformation } from '../information.ts'
import { permutationTest, type Tested } from '../permutation-test.ts'

/** Images with an attribute and the weights that they were given. */
export interface AttributedImages {
  readonly experts: number
  /** Inputs of an image. */
  readonly inputs: number
  /** float32 [images, inputs, E] */
  readonly weights: Float32Array
  /** The group of each image, none below 0. */
  readonly groups: Int32Array
  /** What classes each image has, as one number: images have the same number if they have the same classes. */
  readonly classes: Int32Array
}

/** Whether an attribute of images goes with their experts; information in bits. */
export interface AttributeTests {
  /** I(attribute; expert). */
  readonly information: Tested
  /** I(classes; expert) of the same images. */
  readonly ofClass: Tested
  /** I(attribute; whether it is this expert) for each expert. */
  readonly byExpert: readonly Tested[]
  /** I(attribute; expert | classes); null where no two images have the same classes and another attribute. */
  readonly givenClass: Tested | null
  /** I(classes; expert | attribute); null likewise. */
  readonly classGiven: Tested | null
  /** I(attribute; expert | level); null where whole images are routed. */
  readonly givenLevel: Tested | null
}

/** Images of an attribute whose value is known. */
export function attributedImages(
  { experts, inputs, weights }: Pick<RoutedLayer, 'experts' | 'inputs' | 'weights'>,
  groups: Int32Array,
  classes: Int32Array,
): AttributedImages {
  const known = Array.from(groups.keys()).filter(image => groups[image]! >= 0)
  const size = inputs * experts
  const own = new Float32Array(known.length * size)
  for (const [at, image] of known.entries())
    own.set(weights.subarray(image * size, (image + 1) * size), at * size)
  return {
    ...{ experts, inputs, weights: own },
    groups: Int32Array.from(known, image => groups[image]!),
    classes: Int32Array.from(known, image => classes[image]!),
  }
}

/**
 * Tests an attribute as `testGrouping` tests classes: images exchange their weights, with all their levels, since these share the
 * attribute. Given the classes, images with the same classes exchange them; given the attribute, images of one group.
 *
 * @returns a generator that yields how many permutations are done of {@link attributePermutations}
 */
export function* testAttribute(
  images: AttributedImages,
  { permutations, seed }: TestOptions,
): Generator<number, AttributeTests> {
  const { experts, inputs, groups, classes } = images
  const means = meanWeights(images)
  const all = new Int32Array(groups.length)
  const byGroup = new Tables(means, experts, all, groups)
  const byClass = new Tables(means, experts, all, classes)
  const run = { permutations, seed }
  const [information, ofClass, ...byExpert] = yield* permutationTest({ strata: all, ...run }, order => {
    const [table] = byGroup.fill(order)
    return [
      tableInformation(table!, experts),
      conditionalInformation(byClass.fill(order), experts),
      ...Array.from({ length: experts }, (_, expert) =>
        tableInformation(against(table!, expert, experts), 2),
      ),
    ]
  })
  let done = permutations
  function* conditional(strata: Int32Array, labels: Int32Array): Generator<number, Tested | null> {
    const tables = new Tables(means, experts, strata, labels)
    const before = done
    done += permutations
    if (!tables.isDivided) return null
    const steps = permutationTest({ strata, ...run }, order => [
      conditionalInformation(tables.fill(order), experts),
    ])
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value[0]!
      yield before + step.value
    }
  }
  const givenClass = yield* conditional(classes, groups)
  const classGiven = yield* conditional(groups, classes)
  const levels = Array.from(
    { length: inputs },
    (_, level) => new Tables(weightsOfLevel(images, level), experts, all, groups),
  )
  const [givenLevel] =
    inputs === 1
      ? []
      : yield* permutationTest({ strata: all, ...run }, order => [
          conditionalInformation(
            levels.map(tables => tables.fill(order)[0]!),
            experts,
          ),
        ])
  return {
    ...{ information: information!, ofClass: ofClass!, byExpert, givenClass, classGiven },
    givenLevel: givenLevel ?? null,
  }
}

/** How many permutations {@link testAttribute} takes altogether. */
export function attributePermutations(inputs: number, { permutations }: TestOptions): number {
  return (inputs === 1 ? 3 : 4) * permutations
}

/** [images, E]: the mean over the levels of each image. */
export function meanWeights({ experts, inputs, weights }: AttributedImages): Float64Array {
  const means = new Float64Array(weights.length / inputs)
  for (let at = 0; at < weights.length; at++)
    means[Math.floor(at / (inputs * experts)) * experts + (at % experts)]! += weights[at]! / inputs
  return means
}

function weightsOfLevel({ experts, inputs, weights, groups }: AttributedImages, level: number): Float64Array {
  return Float64Array.from(
    { length: groups.length * experts },
    (_, at) => weights[(Math.floor(at / experts) * inputs + level) * experts + (at % experts)]!,
  )
}

/** A table with two columns: the expert's weight, and that of all others. */
function against(table: Float64Array, expert: number, experts: number): Float64Array {
  const own = new Float64Array((2 * table.length) / experts)
  for (let at = 0; at < table.length; at++)
    own[2 * Math.floor(at / experts) + Number(at % experts !== expert)]! += table[at]!
  return own
}

/** A table of labels by experts for each stratum of images, with rows only for labels that occur in it. */
class Tables {
  /** The row of each image among those of all tables. */
  readonly #row: Int32Array
  /** The first row of each table, and at the end the number of all. */
  readonly #starts: readonly number[]
  /** Whether some stratum has images with different labels. */
  readonly isDivided: boolean

  constructor(
    readonly weights: Float64Array,
    readonly experts: number,
    strata: Int32Array,
    labels: Int32Array,
  ) {
    const rows = new Map<number, Map<number, number>>()
    for (const [image, stratum] of strata.entries()) {
      const own = rows.get(stratum) ?? new Map<number, number>()
      rows.set(stratum, own)
      if (!own.has(labels[image]!)) own.set(labels[image]!, own.size)
    }
    const starts = [0]
    const first = new Map<number, number>()
    for (const [stratum, { size }] of rows) {
      first.set(stratum, starts.at(-1)!)
      starts.push(starts.at(-1)! + size)
    }
    this.#starts = starts
    this.#row = strata.map((stratum, image) => first.get(stratum)! + rows.get(stratum)!.get(labels[image]!)!)
    this.isDivided = [...rows.values()].some(({ size }) => size > 1)
  }

  /** @param order - for each image the one whose weights it has */
  fill(order: Int32Array): Float64Array[] {
    const { experts, weights } = this
    const all = new Float64Array(this.#starts.at(-1)! * experts)
    for (const [image, row] of this.#row.entries())
      for (let e = 0; e < experts; e++) all[row * experts + e]! += weights[order[image]! * experts + e]!
    return this.#starts
      .slice(0, -1)
      .map((start, at) => all.subarray(start * experts, this.#starts[at + 1]! * experts))
  }
}
