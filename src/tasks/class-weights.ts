import { fail } from '../base/errors.ts'
import { nearest } from '../base/schemas.ts'

/** `training.classWeights` of a configuration. */
export type ClassWeights = 'balanced' | readonly number[] | Readonly<Record<string, number>>

/** How many images of each class there are. */
export function countsOf(labels: ArrayLike<number>, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0)
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]! += 1
  return counts
}

/**
 * How much each class counts in the loss, scaled so that the mean over the training images is 1. An image's loss is then divided
 * by the images of a batch, not by their weights as in torch's `CrossEntropyLoss(weight)`: in the mean that is the same, and the
 * parts of a batch that is divided still add up to the whole.
 *
 * `balanced`: in proportion to 1 / images of the class, as scikit-learn's `class_weight='balanced'`, n / (classes · n_c).
 *
 * @param classes - their names
 * @param counts - training images of each
 * @throws MoietyError (usage) for a list of another length, or a class that there is not
 */
export function resolveClassWeights(
  wanted: ClassWeights,
  classes: readonly string[],
  counts: readonly number[],
): number[] {
  const raw =
    wanted === 'balanced' ? counts.map(count => (count === 0 ? 0 : 1 / count)) : given(wanted, classes)
  const images = counts.reduce((total, count) => total + count, 0)
  const total = raw.reduce((sum, weight, i) => sum + weight * counts[i]!, 0)
  if (total === 0)
    fail({
      kind: 'usage',
      message: 'expected a class with training images to have a weight above 0, but none has',
      where: 'training.classWeights',
      help: 'leave it out, or take balanced',
    })
  return raw.map(weight => (weight * images) / total)
}

/**
 * How much the images that show a class count in the loss of that class, where they have several labels: torch's `pos_weight`, which is
 * not scaled. `balanced` has as many images without the class as with it in effect: (n − n_c) / n_c.
 *
 * @param counts - training images that show each class
 * @param images - n
 * @throws MoietyError (usage) as {@link resolveClassWeights}
 */
export function positiveWeights(
  wanted: ClassWeights,
  classes: readonly string[],
  counts: readonly number[],
  images: number,
): number[] {
  if (wanted !== 'balanced') return [...given(wanted, classes)]
  // Where all or none of the images show a class, there is nothing to balance.
  return counts.map(count => (count === 0 || count === images ? 1 : (images - count) / count))
}

/** More would hide what else a training says at its start. */
const mostClasses = 24

/** `training images: cat 12 (weight 2.00), dog 40` */
export function countsText(
  classes: readonly string[],
  counts: readonly number[],
  weights: readonly number[] | undefined,
): string {
  const rows = classes.map((name, i) => {
    const weight = weights === undefined ? '' : ` (weight ${weights[i]!.toPrecision(3)})`
    return `${name} ${counts[i]}${weight}`
  })
  const left = rows.length - mostClasses
  return `training images: ${[...rows.slice(0, mostClasses), ...(left > 0 ? [`and ${left} more classes`] : [])].join(', ')}`
}

function given(wanted: Exclude<ClassWeights, 'balanced'>, classes: readonly string[]): readonly number[] {
  return isList(wanted) ? ofList(wanted, classes) : ofNames(wanted, classes)
}

function isList(wanted: Exclude<ClassWeights, 'balanced'>): wanted is readonly number[] {
  return Array.isArray(wanted)
}

function ofList(weights: readonly number[], classes: readonly string[]): readonly number[] {
  if (weights.length === classes.length) return weights
  return fail({
    kind: 'usage',
    message: `expected a weight for each of ${classes.length} classes, came ${weights.length}`,
    where: 'training.classWeights',
    help: 'list them in the order of the classes, or give some of them by name: the others have 1',
  })
}

function ofNames(weights: Readonly<Record<string, number>>, classes: readonly string[]): readonly number[] {
  const other = Object.keys(weights).find(name => !classes.includes(name))
  if (other !== undefined) {
    const guess = nearest(other, classes)
    fail({
      kind: 'usage',
      message: `there is no class ${JSON.stringify(other)}`,
      where: 'training.classWeights',
      help: guess === undefined ? `classes are ${classes.slice(0, 20).join(', ')}` : `did you mean ${guess}?`,
    })
  }
  return classes.map(name => (Object.hasOwn(weights, name) ? weights[name]! : 1))
}
