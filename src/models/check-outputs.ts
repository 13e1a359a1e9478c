import { fail } from '../base/errors.ts'
import type { Dim, Graph, Tensor } from '../graph/index.ts'
import type { MoeStatistics } from '../moe/index.ts'
import { type Contract, checkedObject, checkedTensor, describeGiven } from '../nn/contract.ts'
import type { RetinaNetResult } from './detection/retinanet.ts'
import type { Classification } from './resnet.ts'

/** A user-defined function, for error messages. */
export interface Returner {
  /** `a classifier` */
  readonly who: string
  readonly graph: Graph
  readonly help: string
}

const classifierHelp =
  'return { logits, losses: [], stats: [] }, with the losses and stats of its mixtures of experts'

/**
 * Checks that a classifier returned logits of these images with losses and statistics.
 *
 * @param classes - null: any known number
 * @throws MoietyError (usage) that says what it must return and what it returned
 */
export function checkedClassification(
  given: unknown,
  images: Tensor,
  classes: number | null,
): Classification {
  const { graph } = images
  const returner = { who: 'a classifier', graph, help: classifierHelp }
  const { logits, ...rest } = checkedObject(given, contractOf(returner, '{ logits, losses, stats }'))
  const checked = checkedTensor(logits, {
    ...contractOf(returner, 'in `logits` a score for each image and class'),
    dtype: 'float32',
    shape: [images.dim(0), classes],
    help: 'end it with a linear layer of as many outputs as there are classes, for all images',
  })
  if (typeof checked.dim(1) !== 'number') refuseUnknown(checked.dim(1))
  return { logits: checked, ...checkedExtras(rest, returner) }
}

function refuseUnknown(classes: Dim): never {
  return fail({
    kind: 'usage',
    message: `a classifier must have a known number of classes, but its logits have "${classes}"`,
    where: 'logits',
    help: 'reshape the logits to a number of classes',
  })
}

/**
 * Checks that a detector returned scores and box codes of all anchors with losses and statistics.
 *
 * @param anchors - A
 * @throws MoietyError (usage) that says what it must return and what it returned
 */
export function checkedDetection(given: unknown, images: Tensor, anchors: number): RetinaNetResult {
  const { graph } = images
  const help = 'return { classes: { kind, value }, boxes, losses, stats }, for the anchors of the canvas'
  const returner = { who: 'a detector', graph, help }
  const { classes, boxes, ...rest } = checkedObject(
    given,
    contractOf(returner, '{ classes, boxes, losses, stats }'),
  )
  const said = checkedObject(classes, contractOf(returner, 'in `classes` { kind, value }'))
  const { kind } = said
  if (kind !== 'logits' && kind !== 'probabilities') {
    return fail({
      kind: 'usage',
      message: `a detector must return "logits" or "probabilities" in \`classes.kind\`, but this one returned ${JSON.stringify(kind)}`,
      where: 'classes.kind',
      help,
    })
  }
  const tensor = (value: unknown, returns: string, last: number | null): Tensor =>
    checkedTensor(value, {
      ...contractOf(returner, returns),
      dtype: 'float32',
      shape: [images.dim(0), anchors, last],
    })
  return {
    classes: {
      kind,
      value: tensor(said.value, 'in `classes.value` a score for each anchor and class', null),
    },
    boxes: tensor(boxes, 'in `boxes` four numbers for each anchor', 4),
    ...checkedExtras(rest, returner),
  }
}

/** Auxiliary losses and statistics. @throws MoietyError (usage) for anything else, or two mixtures of one name */
export function checkedExtras(
  { losses, stats }: { readonly losses?: unknown; readonly stats?: unknown },
  returner: Returner,
): { readonly losses: readonly Tensor[]; readonly stats: readonly MoeStatistics[] } {
  const list = (value: unknown, name: string): readonly unknown[] => {
    if (Array.isArray(value)) return value
    return fail({
      kind: 'usage',
      message: `${returner.who} must return in \`${name}\` an array, but this one returned ${describeGiven(value)}`,
      where: name,
      help: returner.help,
    })
  }
  const checkedLosses = list(losses, 'losses').map((loss, i) =>
    checkedTensor(loss, {
      ...contractOf(returner, `in \`losses[${i}]\` a scalar`),
      dtype: 'float32',
      shape: [],
    }),
  )
  const seen = new Set<string>()
  const checkedStats = list(stats, 'stats').map((value, i) => {
    const one = checkedObject(value, contractOf(returner, `in \`stats[${i}]\` the statistics of a mixture`))
    const { name } = one
    if (typeof name !== 'string' || typeof one.routing !== 'object') {
      return fail({
        kind: 'usage',
        message: `${returner.who} must return in \`stats[${i}]\` the statistics of a mixture, but these have no name and routing`,
        where: `stats[${i}]`,
        help: 'pass on the stats that mixtureOfExperts or gateInputs returned',
      })
    }
    if (seen.has(name)) refuseTwice(name)
    seen.add(name)
    return value as MoeStatistics
  })
  return { losses: checkedLosses, stats: checkedStats }
}

/** Outputs are named after mixtures: of two with the same name only the last would be reported. */
function refuseTwice(name: string): never {
  return fail({
    kind: 'usage',
    message: `two mixtures of experts of this network are called ${JSON.stringify(name)}`,
    where: 'stats',
    help: 'build each under its own name, with scope.in(name, …), and pass on its stats once',
  })
}

export function contractOf(
  { who, graph, help }: Returner,
  returns: string,
): Omit<Contract, 'dtype' | 'shape'> {
  return { who, returns, graph, where: 'what it returned', help }
}
