import { fail } from '../base/errors.ts'
import { concat, type Graph, split, type Tensor } from '../graph/index.ts'
import { defaultGroupOptions, type Parameter, type ParamGroupOptions, type Trained } from './optimizer.ts'
import type { OptimizerConfig } from './optimizers/registry.ts'

/**
 * Parameters with their gradients, all vectors that are trained alike as one. An optimizer does the same to every number, so the result is that of
 * each vector by itself; but two of three parameters are vectors (BatchNorm's scales and shifts, biases), and a dozen operations
 * for each were a third of a step's graph.
 *
 * @param groups - as `optimizer.groups` of a configuration
 * @throws MoietyError (usage) for a group that has no parameter
 */
export function trainedTogether(
  graph: Graph,
  derivatives: readonly (Parameter & { readonly gradient: Tensor })[],
  groups: OptimizerConfig['groups'] = null,
): Trained[] {
  let rest = derivatives
  const grouped = (groups ?? []).flatMap((group, i) => {
    const pattern = wildcard(group.parameters)
    const members = rest.filter(({ name }) => pattern.test(name))
    if (members.length === 0) refuseEmptyGroup(`optimizer.groups.${i}`, group.parameters, derivatives)
    rest = rest.filter(({ name }) => !pattern.test(name))
    return alike(graph, members, group)
  })
  return [...grouped, ...alike(graph, rest, defaultGroupOptions)]
}

/** Matches whole names; `*` stands for any characters. */
function wildcard(text: string): RegExp {
  const parts = text.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

function refuseEmptyGroup(where: string, parameters: string, known: readonly Parameter[]): never {
  const examples = [...new Set([0, 0.5, 0.99].map(part => known[Math.floor(part * known.length)]!.name))]
  return fail({
    kind: 'usage',
    message: `"${parameters}" names no parameter of this network that an earlier group has not`,
    where,
    help: `parameters are called ${examples.join(', ')}; * stands for any characters`,
  })
}

function alike(
  graph: Graph,
  derivatives: readonly (Parameter & { readonly gradient: Tensor })[],
  { rate, weightDecay }: ParamGroupOptions,
): Trained[] {
  const vectors = derivatives.filter(({ shape }) => shape.length === 1)
  const others = derivatives.filter(({ shape }) => shape.length !== 1)
  return [vectors, ...others.map(other => [other])]
    .filter(group => group.length > 0)
    .map(group => ({
      group: { rate, weightDecay },
      parameters: group.map(({ name, shape }) => ({ name, shape })),
      value: joined(group.map(({ name, shape }) => graph.input(name, 'float32', shape))),
      gradient: joined(group.map(({ gradient }) => gradient)),
    }))
}

/** Several vectors one after another. */
export function joined(tensors: readonly Tensor[]): Tensor {
  return tensors.length === 1 ? tensors[0]! : concat(tensors, 0)
}

/** The vectors of {@link joined} again. */
export function separated(value: Tensor, parameters: readonly Parameter[]): readonly Tensor[] {
  return parameters.length === 1
    ? [value]
    : split(
        value,
        0,
        parameters.map(({ shape }) => shape[0]!),
      )
}
