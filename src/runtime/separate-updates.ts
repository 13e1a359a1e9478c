import { type Shape, sameShape } from '../graph/dims.ts'
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from '../graph/onnx.ts'
import { withoutUnused } from './blocking.ts'

/** A value of float32. */
type Floats = OnnxValue & { readonly dtype: 'float32' }

/** A program whose inputs and outputs are of float32. */
type FloatProgram = OnnxModel & { readonly inputs: readonly Floats[]; readonly outputs: readonly Floats[] }

/**
 * A part of a step's new state that is computed by a program of its own, over the state's own memory.
 */
export interface SeparateUpdate {
  /** The place of its program in {@link SeparatedStep.programs}. */
  readonly program: number
  /** Inputs of that program, vectors of the same length, by what they are: tensors of the state or values of the step. */
  readonly vectors: ReadonlyMap<string, string>
  /** Scalar inputs, likewise. */
  readonly scalars: ReadonlyMap<string, string>
  /** Its outputs, by the tensors of the state that they become. */
  readonly updates: ReadonlyMap<string, string>
}

/** A step that gives in place of some of its new state what that is computed from. */
export interface SeparatedStep {
  readonly model: OnnxModel
  /** Outputs of `model` that only the updates read. */
  readonly values: readonly Floats[]
  /** Each for vectors of any length. */
  readonly programs: readonly FloatProgram[]
  readonly updates: readonly SeparateUpdate[]
}

/** The smallest number of elements for which an update is taken out of a step. */
const leastSize = 1 << 16

/**
 * Ops that act on every number alike and round once, so that a result has the same bits wherever a vector is cut.
 */
const exactOps: ReadonlySet<string> = new Set([
  'Abs',
  'Add',
  'Div',
  'Max',
  'Min',
  'Mul',
  'Neg',
  'Sign',
  'Sqrt',
  'Sub',
])

/** Ops, outside of an update, that the engine fuses with an op that alone reads their result: that rounds once in place of twice. */
const fusedOps: ReadonlySet<string> = new Set(['Div', 'MatMul', 'FusedMatMul', 'Gemm', 'Conv'])

/**
 * Takes out of a step what only computes large tensors of the new state, number by number, from gradients: the optimizer.
 *
 * In the step, all of the new state is in memory beside the old one, and is copied over it afterwards. By itself, the optimizer can be
 * computed over the old state, in pieces, so that what lies between its ops is small.
 *
 * @param updates - outputs of the step by the tensors of the state that they become
 */
export function withSeparateUpdates(model: OnnxModel, updates: ReadonlyMap<string, string>): SeparatedStep {
  const step = new Step(model)
  const outputs = new Map(model.outputs.map(output => [output.name, output]))
  const taken = regionOf(step, updates)
  const programs = new Map<string, { place: number; model: FloatProgram }>()
  const separated: SeparateUpdate[] = []
  const values = new Map<string, Floats>()
  const moved = new Map<string, readonly OnnxValue[]>()
  for (const nodes of components(step, taken, updates)) {
    const part = new Part(step, nodes, updates)
    if (!part.canBeSeparate(outputs)) continue
    const { key, program } = part.written(outputs)
    const { place } = programs.get(key) ?? { place: programs.size }
    if (!programs.has(key)) programs.set(key, { place, model: program })
    separated.push({ program: place, ...part.names() })
    // In place of the first of them, since the engine computes outputs in their order.
    const needed = part.values().filter(({ name }) => !values.has(name) && !outputs.has(name))
    for (const value of needed) values.set(value.name, value)
    for (const [i, output] of part.outputs().entries()) moved.set(output, i === 0 ? needed : [])
  }
  const left = withoutUnused({
    ...model,
    outputs: model.outputs.flatMap(output => moved.get(output.name) ?? [output]),
  })
  // The engine takes no program without nodes.
  if (left.nodes.length === 0) return { model, values: [], programs: [], updates: [] }
  return {
    model: left,
    values: [...values.values()],
    programs: [...programs.values()].map(one => one.model),
    updates: separated,
  }
}

/** What is known of a step's values. */
class Step {
  readonly constants: ReadonlyMap<string, OnnxTensor>
  readonly inputs: ReadonlySet<string>
  readonly #fused: ReadonlySet<string>
  readonly #shapes: ReadonlyMap<string, Shape>

  constructor(readonly model: OnnxModel) {
    this.constants = new Map(model.initializers.map(tensor => [tensor.name, tensor]))
    this.inputs = new Set(model.inputs.map(({ name }) => name))
    const readers = new Map<string, number>()
    const read = [...model.nodes.flatMap(({ inputs }) => inputs), ...model.outputs.map(({ name }) => name)]
    for (const name of read) readers.set(name, (readers.get(name) ?? 0) + 1)
    this.#fused = new Set(
      model.nodes.flatMap(({ op, outputs }) =>
        outputs.filter(name => fusedOps.has(op) && readers.get(name) === 1),
      ),
    )
    this.#shapes = new Map<string, Shape>([
      ...(model.shapes ?? []),
      ...[...model.initializers, ...model.inputs, ...model.outputs].map(
        ({ name, shape }) => [name, shape] as const,
      ),
    ])
  }

  shapeOf(name: string): Shape | undefined {
    return this.#shapes.get(name)
  }

  /** Whether the engine may compute it together with what reads it. */
  mayBeFused(name: string): boolean {
    return this.#fused.has(name)
  }

  isLarge(name: string): boolean {
    return sizeOf(this.shapeOf(name)) >= leastSize
  }

  /** Whether it is one number, which any vector can be combined with. */
  isScalar(name: string): boolean {
    const shape = this.shapeOf(name)
    return shape !== undefined && shape.length <= 1 && sizeOf(shape) === 1
  }
}

/** 0 where it is not known. */
function sizeOf(shape: Shape | undefined): number {
  return (shape ?? [0]).reduce<number>((size, dim) => (typeof dim === 'number' ? size * dim : 0), 1)
}

/** The nodes, last one first, that compute large float32 tensors number by number for the new state alone. */
function regionOf(step: Step, updates: ReadonlyMap<string, string>): readonly OnnxNode[] {
  const { model } = step
  const region: OnnxNode[] = []
  // Values that something else needs.
  const others = new Set(
    model.outputs.flatMap(({ name, dtype }) => (updates.has(name) && dtype === 'float32' ? [] : [name])),
  )
  const wanted = new Set(updates.keys())
  for (const node of model.nodes.toReversed()) {
    const [value = ''] = node.outputs
    const isInside = wanted.has(value) && !others.has(value) && actsOnEach(step, node)
    if (isInside) region.push(node)
    for (const name of node.inputs) (isInside ? wanted : others).add(name)
  }
  return region
}

/** Whether its result is large, and each number of it is made of one number of each of its large inputs. */
function actsOnEach(step: Step, { op, domain = '', inputs, outputs }: OnnxNode): boolean {
  const [result = ''] = outputs
  const shape = step.shapeOf(result)
  if (!exactOps.has(op) || domain !== '' || shape === undefined || !step.isLarge(result)) return false
  return inputs.every(name => {
    const given = step.shapeOf(name)
    return (
      step.isScalar(name) || (given !== undefined && sameShape(given, shape) && !step.constants.has(name))
    )
  })
}

/** Nodes that large values connect, each component in the order of the model. */
function components(
  step: Step,
  region: readonly OnnxNode[],
  updates: ReadonlyMap<string, string>,
): Iterable<readonly OnnxNode[]> {
  const parents = new Map<string, string>()
  const rootOf = (name: string): string => {
    const parent = parents.get(name) ?? name
    return parent === name ? name : rootOf(parent)
  }
  for (const { inputs, outputs } of region) {
    const [result = ''] = outputs
    const written = updates.get(result)
    const connected = [
      ...inputs.filter(name => step.isLarge(name)),
      ...(written === undefined ? [] : [written]),
    ]
    for (const name of connected) parents.set(rootOf(name), rootOf(result))
  }
  const found = new Map<string, OnnxNode[]>()
  for (const node of region.toReversed()) {
    const root = rootOf(node.outputs[0]!)
    found.set(root, [...(found.get(root) ?? []), node])
  }
  return found.values()
}

/** Nodes that become a program of their own. */
class Part {
  readonly #step: Step
  readonly #nodes: readonly OnnxNode[]
  readonly #updates: ReadonlyMap<string, string>
  readonly #made: ReadonlySet<string>
  /** Large values and numbers that it reads, each once, in the order in which it first does. */
  readonly #vectors: readonly string[]
  readonly #scalars: readonly string[]

  constructor(step: Step, nodes: readonly OnnxNode[], updates: ReadonlyMap<string, string>) {
    this.#step = step
    this.#nodes = nodes
    this.#updates = updates
    this.#made = new Set(nodes.flatMap(({ outputs }) => outputs))
    const read = [...new Set(nodes.flatMap(({ inputs }) => inputs))].filter(name => !this.#made.has(name))
    this.#vectors = read.filter(name => step.isLarge(name))
    this.#scalars = read.filter(name => !step.isLarge(name) && !step.constants.has(name))
  }

  outputs(): string[] {
    return [...this.#made].filter(name => this.#updates.has(name))
  }

  /** What of it the step itself computes. */
  values(): Floats[] {
    return [...this.#vectors, ...this.#scalars]
      .filter(name => !this.#step.inputs.has(name))
      .map(name => ({ name, dtype: 'float32', shape: this.#step.shapeOf(name)! }))
  }

  /**
   * Whether nothing reads a tensor of the state once it may have been written over: what reads it leads to what is written. What it
   * reads must not be part of the new state itself, nor fused with it by the engine where the step is whole.
   */
  canBeSeparate(outputs: ReadonlyMap<string, OnnxValue>): boolean {
    if (this.#vectors.some(name => outputs.has(name))) return false
    if ([...this.#vectors, ...this.#scalars].some(name => this.#step.mayBeFused(name))) return false
    return this.outputs().every(output => {
      const before = this.#updates.get(output)!
      const leading = new Set([output])
      for (const { inputs, outputs } of this.#nodes.toReversed())
        if (leading.has(outputs[0]!)) for (const name of inputs) leading.add(name)
      return this.#nodes.every(({ inputs, outputs }) => !inputs.includes(before) || leading.has(outputs[0]!))
    })
  }

  names(): Pick<SeparateUpdate, 'vectors' | 'scalars' | 'updates'> {
    return {
      vectors: new Map(this.#vectors.map((name, i) => [`vector${i}`, name])),
      scalars: new Map(this.#scalars.map((name, i) => [`scalar${i}`, name])),
      updates: new Map(this.outputs().map((name, i) => [`next${i}`, this.#updates.get(name)!])),
    }
  }

  /** Its program, which is the same for all parts with one formula, and a key that is the same for equal programs. */
  written(outputs: ReadonlyMap<string, OnnxValue>): { key: string; program: FloatProgram } {
    const constants = [...this.#step.constants.values()].filter(({ name }) =>
      this.#nodes.some(({ inputs }) => inputs.includes(name)),
    )
    const names = new Map([
      ...constants.map(({ name }, i) => [name, `constant${i}`] as const),
      ...this.#vectors.map((name, i) => [name, `vector${i}`] as const),
      ...this.#scalars.map((name, i) => [name, `scalar${i}`] as const),
      ...[...this.#made].filter(name => !outputs.has(name)).map((name, i) => [name, `value${i}`] as const),
      ...this.outputs().map((name, i) => [name, `next${i}`] as const),
    ])
    const renamed = (name: string): string => names.get(name)!
    const nodes = this.#nodes.map(node => ({
      ...node,
      inputs: node.inputs.map(renamed),
      outputs: node.outputs.map(renamed),
    }))
    const initializers = constants.map(tensor => ({ ...tensor, name: renamed(tensor.name) }))
    const vector = (name: string): Floats => ({ name: renamed(name), dtype: 'float32', shape: ['n'] })
    const scalar = (name: string): Floats => ({
      name: renamed(name),
      dtype: 'float32',
      shape: this.#step.shapeOf(name)!,
    })
    const program: FloatProgram = {
      name: 'update',
      nodes,
      initializers,
      inputs: [...this.#vectors.map(vector), ...this.#scalars.map(scalar)],
      outputs: this.outputs().map(vector),
    }
    const formula = nodes.map(({ op, inputs, outputs, attributes }) => [op, inputs, outputs, attributes])
    const numbers = initializers.map(({ name, shape, bytes }) => [name, shape, [...bytes]])
    return { key: JSON.stringify([formula, numbers, program.inputs]), program }
  }
}
