import { fail } from '../../base/errors.ts'
import { type HostTensor, sizeOf } from '../../base/tensor.ts'
import type { Dim, GraphDType, Tensor } from '../../graph/index.ts'
import {
  type Contract,
  checkedObject,
  checkedTensor,
  checkFunction,
  describeGiven,
} from '../../nn/contract.ts'
import type { Scope } from '../../nn/scope.ts'
import type { Constraint, Counters } from './constraint.ts'

/** The name that the layer itself has for a statistic that is no counter: whether a lifted constraint still acts. */
export const activeStatistic = 'active'

const methods = ['init', 'excluded', 'bias', 'loss', 'update'] as const

/**
 * The same constraint, with everything that its methods return checked: a constraint of a user's own may return anything, and
 * much of it would go unnoticed. A loss that is nothing is no loss, a counter under another name is never updated, and a mask
 * of other experts broadcasts.
 *
 * @throws MoietyError (usage) that names the method, what it must return and what it returned
 */
export function checkedConstraint(given: Constraint, scope: Scope, experts: number): Constraint {
  const { name, noise, init, excluded, bias, loss, update } = checkedParts(given, scope)
  const where = `${scope.path === '' ? 'a mixture of experts' : scope.path}, constraint ${JSON.stringify(name)}`
  const { graph } = scope
  const contract = (method: string, returns: string, help: string) => ({
    ...{ who: `a constraint's ${method}`, returns, graph, where },
    help: `${help}, or leave ${method} out`,
  })
  const tensor = (
    method: string,
    returns: string,
    dtype: GraphDType,
    shape: readonly Dim[],
    help: string,
  ): Contract => ({ ...contract(method, returns, help), dtype, shape })
  return {
    name,
    noise,
    ...(init && {
      init: count =>
        checkedFirst(init.call(given, count), contract('init', 'first values by name', firstHelp)),
    }),
    ...(excluded && {
      excluded: counters =>
        checkedTensor(
          excluded.call(given, counters),
          tensor(
            'excluded',
            'which experts get no image',
            'bool',
            [experts],
            'compare a counter, such as greater(r, 0)',
          ),
        ),
    }),
    ...(bias && {
      bias: counters =>
        checkedTensor(
          bias.call(given, counters),
          tensor(
            'bias',
            'what is added to the logits',
            'float32',
            [experts],
            'return a number for each expert',
          ),
        ),
    }),
    ...(loss && {
      loss: (routing, context) =>
        checkedTensor(
          loss.call(given, routing, context),
          tensor('loss', 'a scalar', 'float32', [], 'add it up, such as mul(sum(x), weight)'),
        ),
    }),
    ...(update && {
      update: (counters, routing) =>
        checkedUpdate(
          update.call(given, counters, routing),
          counters,
          contract('update', 'counters by name', 'return the new values, such as { r: add(r, x) }'),
        ),
    }),
  }
}

const firstHelp = 'return tensors of the host, such as { r: floats([experts], zeros) }'

function checkedParts(given: Constraint, scope: Scope): Constraint {
  const help =
    'give a constraint such as none() or importance(), or an object with a name, noise and some of its methods'
  const value: unknown = given
  const isConstraint =
    typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
  if (!isConstraint) {
    return fail({
      kind: 'usage',
      message: `a mixture of experts expected a constraint, an object with a name, but got ${describeGiven(value)}`,
      where: scope.path,
      help,
    })
  }
  for (const method of methods) {
    const what = `${method} of the constraint "${given.name}"`
    if (given[method] !== undefined) checkFunction(given[method], { what, where: scope.path, help })
  }
  return given
}

type Refusal = Omit<Contract, 'dtype' | 'shape'>

/** First values of counters: finite float32 of the host. */
function checkedFirst(given: unknown, contract: Refusal): Readonly<Record<string, HostTensor>> {
  const values = Object.entries(checkedObject(given, contract))
  for (const [name, value] of values) {
    checkName(name, contract)
    if (!isFirstValue(value)) {
      fail({
        kind: 'usage',
        message: `${contract.who} must return finite float32 tensors of the host, but "${name}" is ${describeFirst(value)}`,
        where: contract.where,
        help: contract.help,
      })
    }
  }
  return Object.fromEntries(values) as Readonly<Record<string, HostTensor>>
}

function isFirstValue(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { dtype, shape, data } = value as Partial<HostTensor>
  return (
    dtype === 'float32' &&
    Array.isArray(shape) &&
    shape.every(extent => Number.isInteger(extent) && extent >= 0) &&
    data instanceof Float32Array &&
    data.length === sizeOf(shape) &&
    data.every(Number.isFinite)
  )
}

function describeFirst(value: unknown): string {
  if (typeof value !== 'object' || value === null) return describeGiven(value)
  const { dtype, shape, data } = value as Partial<HostTensor>
  if (!Array.isArray(shape) || !ArrayBuffer.isView(data)) return describeGiven(value)
  const odd = data instanceof Float32Array ? data.find(number => !Number.isFinite(number)) : undefined
  const holds = odd === undefined ? `${data.length} values` : `${odd} among its values`
  return `${dtype}[${shape.join(', ')}] with ${holds} in a ${data.constructor.name}`
}

/** A counter is a tensor of the state under its name, and an output of every program. */
function checkName(name: string, { where }: Refusal): void {
  if (name !== '' && name !== activeStatistic && !name.includes('.')) return
  fail({
    kind: 'usage',
    message:
      name === activeStatistic
        ? `a counter cannot be called "${name}": the layer keeps under it whether the constraint has been lifted`
        : `a counter needs a name without dots, but this one is called "${name}"`,
    where,
    help: 'give the counter another name',
  })
}

function checkedUpdate(given: unknown, counters: Counters, contract: Refusal): Counters {
  const values = Object.entries(checkedObject(given, contract))
  return Object.fromEntries(
    values.map(([name, value]): [string, Tensor] => {
      const before = Object.hasOwn(counters, name) ? counters[name] : undefined
      if (before === undefined) {
        return fail({
          kind: 'usage',
          message: `${contract.who} returned a counter "${name}", which init has not`,
          where: contract.where,
          help: `counters are ${Object.keys(counters).join(', ') || 'none'}; name each in init`,
        })
      }
      const returns = `its counter "${name}" as it was declared`
      return [name, checkedTensor(value, { ...contract, returns, dtype: 'float32', shape: before.shape })]
    }),
  )
}

/** Refuses counters that something else at this scope has already: both would be one tensor of the state. */
export function checkFree(names: readonly string[], scope: Scope): void {
  const taken = names.find(name => scope.declarations.statistics.has(scope.name(name)))
  if (taken === undefined) return
  fail({
    kind: 'usage',
    message: `something else in this network has a statistic "${scope.name(taken)}" already`,
    where: scope.path,
    help: 'build each mixture of experts under a name of its own, with scope.in(name, …)',
  })
}
