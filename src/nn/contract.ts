import { fail } from '../base/errors.ts'
import { type Dim, type Graph, type GraphDType, type Shape, Tensor } from '../graph/index.ts'

/**
 * The return contract of user-defined functions. The compiler checks types, but not for JavaScript users, and not shapes;
 * a wrong shape would be noticed far from its cause, or broadcast and never noticed.
 */
export interface Contract {
  /** The kind of function: `a gate`. */
  readonly who: string
  /** The required return value: `its logits`. */
  readonly returns: string
  readonly graph: Graph
  readonly dtype: GraphDType
  /** Extents; null: any. */
  readonly shape: readonly (Dim | null)[]
  readonly where: string
  readonly help: string
}

/** The return value of a user-defined function, checked against its contract. @throws MoietyError (usage) if not */
export function checkedTensor(given: unknown, contract: Contract): Tensor {
  const { who, returns, graph, dtype, shape, where, help } = contract
  const fits =
    given instanceof Tensor &&
    given.graph === graph &&
    given.dtype === dtype &&
    given.rank === shape.length &&
    shape.every((extent, axis) => extent === null || extent === given.shape[axis])
  if (fits) return given
  const expected = `${dtype}${showExpected(shape)}`
  return refuse(given, { who, returns: `${returns}, ${expected}`, graph, where, help })
}

/** The return value of a user-defined function, checked to be an object that is neither a tensor nor a Promise. @throws MoietyError (usage) if not */
export function checkedObject(
  given: unknown,
  contract: Omit<Contract, 'dtype' | 'shape'>,
): Readonly<Record<string, unknown>> {
  const isObject =
    typeof given === 'object' &&
    given !== null &&
    !(given instanceof Tensor) &&
    !Array.isArray(given) &&
    !isPromise(given)
  return isObject ? (given as Readonly<Record<string, unknown>>) : refuse(given, contract)
}

/** Checks that a value is a function. @throws MoietyError (usage) */
export function checkFunction(given: unknown, { what, where, help }: FunctionPlace): void {
  if (typeof given === 'function') return
  fail({ kind: 'usage', message: `${what} must be a function, but is ${describeGiven(given)}`, where, help })
}

interface FunctionPlace {
  readonly what: string
  readonly where: string
  readonly help: string
}

/** A description of an unexpected value, for errors. */
export function describeGiven(given: unknown, graph?: Graph): string {
  if (given instanceof Tensor) {
    const other = graph === undefined || given.graph === graph ? '' : ' of another graph'
    return `${given.dtype}${showShape(given.shape)}${other}`
  }
  if (given === undefined || given === null) return 'nothing'
  if (isPromise(given)) return 'a Promise'
  if (Array.isArray(given)) return `an array of ${given.length}`
  if (typeof given === 'number' || typeof given === 'boolean') return `the ${typeof given} ${given}`
  return typeof given === 'object' ? 'an object' : `a ${typeof given}`
}

function refuse(
  given: unknown,
  { who, returns, graph, where, help }: Omit<Contract, 'dtype' | 'shape'>,
): never {
  // The Promise is no longer awaited; its rejection must not end the process before this error is reported.
  if (isPromise(given)) given.then(undefined, () => undefined)
  return fail({
    kind: 'usage',
    message: `${who} must return ${returns}, but this one returned ${describeGiven(given, graph)}`,
    where,
    help: isPromise(given) ? 'write it without async: it builds a graph and does not compute' : help,
  })
}

function isPromise(given: unknown): given is PromiseLike<unknown> {
  return typeof given === 'object' && given !== null && 'then' in given && typeof given.then === 'function'
}

function showExpected(shape: readonly (Dim | null)[]): string {
  return showShape(shape.map(extent => extent ?? 'any'))
}

function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}
