import { type ErrorFacts, fail } from '../base/errors.ts'
import { type Dim, type Shape, showShape } from './dims.ts'
import type { GraphDType } from './dtype.ts'
import type { Emitter } from './emitter.ts'
import type { NdArray } from './ndarray.ts'
import type { TakenValues } from './program.ts'

export type { GraphDType } from './dtype.ts'

/** What is known about a tensor before the graph runs. */
export interface TensorType {
  readonly dtype: GraphDType
  readonly shape: Shape
}

const brand: unique symbol = Symbol.for('moiety.tensor')

/** A symbolic tensor: one output of one node of a graph. Immutable; ops make new ones. */
export class Tensor implements TensorType {
  constructor(
    readonly node: Node,
    readonly index: number,
    readonly dtype: GraphDType,
    readonly shape: Shape,
  ) {}

  /**
   * Tensors of another copy of this code count: the command line is a bundle, and components that `--use` loads import the
   * package.
   */
  static [Symbol.hasInstance](value: unknown): value is Tensor {
    return typeof value === 'object' && value !== null && brand in value
  }

  get [brand](): true {
    return true
  }

  get graph(): Graph {
    return this.node.graph
  }

  get rank(): number {
    return this.shape.length
  }

  /** The extent of an axis; negative axes count from the end. */
  dim(axis: number): Dim {
    const dim = this.shape[axis < 0 ? axis + this.rank : axis]
    return (
      dim ??
      fail({
        kind: 'usage',
        message: `axis ${axis} of a tensor of shape ${showShape(this.shape)}`,
        where: this.label,
      })
    )
  }

  /** Where the tensor was made, for example `layer1.0.conv1/conv`. */
  get label(): string {
    return this.node.label
  }
}

/**
 * An applied op. Shape rule, gradient, ONNX lowering and float64 semantics are closures over its attributes,
 * so that an op is one function in one place (see `ops/`).
 */
export interface NodeRule {
  /** The op's name, for messages and profiles. */
  readonly name: string
  readonly inputs: readonly Tensor[]
  /** Types of the outputs: the shape rule, already applied. */
  readonly outputs: readonly TensorType[]
  /** Distinguishes applications of the op to the same inputs; equal keys are one node. */
  readonly attributes?: Readonly<Record<string, unknown>>
  /**
   * Gradients of the inputs from those of the outputs (an unused output has none), in order; undefined
   * where none flows. An op without this rule cannot be differentiated.
   */
  gradient?(upstream: readonly (Tensor | undefined)[], outputs: readonly Tensor[]): (Tensor | undefined)[]
  /** Emits ONNX nodes of the default domain and returns the names of the outputs. */
  lower(emit: Emitter, inputs: readonly string[]): readonly string[]
  /** The op's semantics in float64, slow and simple: the reference. */
  evaluate(inputs: readonly NdArray[]): NdArray[]
  /** Only for ops that make a discrete choice. */
  readonly choice?: Choice
}

/**
 * A discrete choice: the sign of a relu's input, a comparison, the K largest, the winner of a window. However close two
 * computations are, their choices may differ near a tie, and later results then differ by more than
 * rounding.
 */
export interface Choice {
  /** Number of the output that the choice can be read from, element by element. */
  readonly output: number
  /** The choice of an element of that output, as a number that is equal for equal choices. */
  of(value: number): number
  /** The outputs of the op for a choice given by that output of another computation. */
  follow(inputs: readonly NdArray[], given: NdArray): NdArray[]
  /**
   * How far the op's inputs are from the given choice, in the unit of the input.
   *
   * @param at - the element, as a position in the output that the choice is read from
   */
  margin(inputs: readonly NdArray[], given: NdArray, at: number): number
}

export interface Node extends NodeRule {
  readonly graph: Graph
  /** Creation number; inputs always have smaller ones, so it is a topological order. */
  readonly id: number
  readonly label: string
  readonly tensors: readonly Tensor[]
}

/** An input of the graph: fed from outside under its name. */
export interface InputDeclaration extends TensorType {
  readonly name: string
}

/**
 * A graph under construction. Nodes are interned: applying the same op to the same inputs twice gives the same
 * tensor, which is common-subexpression elimination; what no output needs is never lowered, which is dead-code
 * elimination.
 */
export class Graph {
  readonly nodes: Node[] = []
  readonly #interned = new Map<string, Node>()
  readonly #inputs = new Map<string, Tensor>()
  readonly #takes = new Map<string, TakenValues>()
  #scope: readonly string[] = []

  /**
   * Declares an input, or returns it if the same one was declared before.
   *
   * @param takes - which values it may be fed; default: as declared before, or all
   */
  input(name: string, dtype: GraphDType, shape: Shape, takes?: TakenValues): Tensor {
    if (takes !== undefined) this.#takes.set(name, takes)
    const known = this.#inputs.get(name)
    if (known !== undefined) {
      if (known.dtype === dtype && showShape(known.shape) === showShape(shape)) return known
      fail({
        kind: 'usage',
        message: `input "${name}" was declared as ${known.dtype}${showShape(known.shape)} and again as ${dtype}${showShape(shape)}`,
        help: 'give the second one another name',
      })
    }
    const [tensor] = this.#add({
      name: 'input',
      inputs: [],
      outputs: [{ dtype, shape }],
      attributes: { name },
      gradient: () => [],
      lower: () => [name],
      evaluate: () =>
        fail({ kind: 'usage', message: `input "${name}" was not fed`, help: 'pass a value for it' }),
    })
    this.#inputs.set(name, tensor!)
    return tensor!
  }

  get inputs(): ReadonlyMap<string, Tensor> {
    return this.#inputs
  }

  /** The values that inputs may be fed, by name, where not all of their type. */
  get takes(): ReadonlyMap<string, TakenValues> {
    return this.#takes
  }

  /** A constant tensor; `values` row-major. */
  constant(dtype: GraphDType, shape: readonly number[], values: readonly number[]): Tensor {
    return this.apply({
      name: 'constant',
      inputs: [],
      outputs: [{ dtype, shape }],
      // As text: JSON would write NaN and both infinities as null and make one constant of them.
      attributes: { dtype, shape, values: values.join() },
      gradient: () => [],
      lower: emit => [emit.constant(dtype, shape, values)],
      evaluate: () => [{ shape, data: Float64Array.from(values) }],
    })[0]!
  }

  /**
   * A float32 constant of any size with its own name, such as a parameter after training. Two with the same
   * name may be in a graph, but not in one file.
   *
   * @param data - row-major; float64 is rounded when the file is written
   */
  stored(name: string, shape: readonly number[], data: Float32Array | Float64Array): Tensor {
    return this.#add({
      name: 'stored',
      inputs: [],
      outputs: [{ dtype: 'float32', shape }],
      attributes: { name },
      gradient: () => [],
      lower: emit => [emit.stored(name, shape, data)],
      evaluate: () => [{ shape, data: Float64Array.from(data) }],
    })[0]!
  }

  /** A float32 constant of shape []. */
  scalar(value: number): Tensor {
    return this.constant('float32', [], [value])
  }

  /** Everything made inside `body` is labelled with this name. */
  within<T>(name: string, body: () => T): T {
    const outer = this.#scope
    this.#scope = [...outer, name]
    try {
      return body()
    } finally {
      this.#scope = outer
    }
  }

  /** Applies an op: the interned outputs. */
  apply(rule: NodeRule): readonly Tensor[] {
    const key = `${rule.name}|${rule.inputs.map(t => `${t.node.id}.${t.index}`).join(',')}|${JSON.stringify(rule.attributes ?? {})}`
    const known = this.#interned.get(key)
    if (known !== undefined) return known.tensors
    const tensors = this.#add(rule)
    this.#interned.set(key, tensors[0]!.node)
    return tensors
  }

  #add(rule: NodeRule): readonly Tensor[] {
    const label = [this.#scope.join('.'), rule.name].filter(part => part !== '').join('/')
    const tensors: Tensor[] = []
    const node: Node = { ...rule, graph: this, id: this.nodes.length, label, tensors }
    for (const [index, type] of rule.outputs.entries()) {
      tensors.push(new Tensor(node, index, type.dtype, type.shape))
    }
    this.nodes.push(node)
    return tensors
  }
}

/** Applies an op with a single output on the graph of its first input. */
export function apply(rule: NodeRule): Tensor {
  return applyAll(rule)[0]!
}

/**
 * Applies an op with several outputs on the graph of its first input.
 *
 * @throws MoietyError (usage) for inputs of two graphs
 */
export function applyAll(rule: NodeRule): readonly Tensor[] {
  const graph = rule.inputs[0]!.graph
  for (const input of rule.inputs) {
    if (input.graph !== graph) {
      fail({
        kind: 'usage',
        message: `${rule.name} was given tensors of two different graphs`,
        where: input.label,
        help: 'build the whole computation in one Graph',
      })
    }
  }
  return graph.apply(rule)
}

/**
 * Throws a shape error: which op, what it expected, what it got.
 *
 * @throws MoietyError (usage) always
 */
export function shapeError(op: string, expected: string, inputs: readonly Tensor[]): never {
  const facts: ErrorFacts = {
    kind: 'usage',
    message: `${op} expected ${expected}, but got ${inputs.map(t => `${t.dtype}${showShape(t.shape)}`).join(' and ')}`,
    where: inputs.map(t => t.label).join(', '),
  }
  return fail(facts)
}
