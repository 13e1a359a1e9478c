import { type ErrorFacts, fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { type HostTensor, type State, sizeOf } from '../base/tensor.ts'
import { type Graph, gatherRows, type Shape, type Tensor } from '../graph/index.ts'
import { type Initialiser, kaimingNormal } from './initialise.ts'

/**
 * What the optimizer does with a tensor of the state: a `parameter` follows its gradient (and decays if
 * `decay`), a `statistic` (BatchNorm averages, constraint counters) gets the value that the step assigns.
 */
export interface Declaration {
  readonly name: string
  readonly shape: readonly number[]
  readonly kind: 'parameter' | 'statistic'
  readonly initialise: Initialiser
}

/** How a model is being built. */
export interface ScopeOptions {
  /** Whether batch statistics, noise and constraints are active. */
  readonly training: boolean
}

/** What is frozen in a part of a model: BatchNorm's statistics, or parameters as well. */
export type Kept = 'nothing' | 'statistics' | 'everything'

/** Distribution of random numbers: standard normal, or uniform in [0, 1). */
export type Distribution = 'normal' | 'uniform'

/** An input that a step must feed with random numbers. */
export interface RandomInput {
  readonly tensor: Tensor
  readonly distribution: Distribution
}

/** Which images of a batch an expert computes. */
export interface SelectedRows {
  /** Their numbers in the batch, int64 [n]. */
  readonly indices: Tensor
  /** Number of images in the batch. */
  readonly of: Tensor['shape'][number]
}

/** The class of each image of a batch, for losses other than that of the task. */
export interface Labels {
  /** int64 [N], from 0. */
  readonly indices: Tensor
  readonly classes: number
}

/** Numbers of a training step, each of which may be this large at most; the step does not count where one is larger. */
export interface Limit {
  /** float32 [n]. */
  readonly numbers: Tensor
  readonly most: number
  /** What is wrong where number `index` is larger. */
  readonly explain: (index: number, value: number) => ErrorFacts
}

/** What layers declared while a model was built on a graph. */
export class Declarations {
  readonly parameters = new Map<string, Declaration>()
  readonly statistics = new Map<string, Declaration>()
  /** Names of the statistics that are parameters of frozen parts. */
  readonly frozen = new Set<string>()
  /** New values of statistics after a training step. */
  readonly updates = new Map<string, Tensor>()
  /** Inputs that a step must feed with random numbers, by name. */
  readonly noise = new Map<string, RandomInput>()
  /** By name. */
  readonly limits = new Map<string, Limit>()

  /** Parameters and statistics together, in the order they were declared. */
  all(): Declaration[] {
    return [...this.parameters.values(), ...this.statistics.values()]
  }

  /**
   * Initial values of everything declared. Each tensor draws from its own random stream, keyed by its name, so that
   * adding a layer does not change another one's values.
   */
  initialState(seed: number): Map<string, HostTensor> {
    return new Map(
      this.all().map(({ name, shape, initialise }) => {
        const data = initialise(shape, draws(seed, `init ${name}`))
        return [name, { dtype: 'float32', shape, data } satisfies HostTensor]
      }),
    )
  }

  /** All learned tensors: the parameters, and those of frozen parts. */
  learned(): Declaration[] {
    return [...this.parameters.values(), ...[...this.frozen].map(name => this.statistics.get(name)!)]
  }

  /** Number of parameters, those of frozen parts included. */
  parameterCount(): number {
    return this.learned().reduce((total, { shape }) => total + sizeOf(shape), 0)
  }
}

/** Names a value of a scope's context; see {@link Scope.withContext}. */
export class ContextKey<T> {
  /** Keeps keys of different values apart. */
  declare readonly value: T

  constructor(readonly description: string) {}
}

/**
 * A named part of a graph in which a layer is built. A layer is a function of a scope and a tensor; it gets its
 * parameters from the scope, which become inputs of the graph under torchvision's names.
 */
export class Scope {
  private constructor(
    readonly graph: Graph,
    readonly declarations: Declarations,
    readonly training: boolean,
    readonly path: string,
    /** Mask of the images that this part gets, [N] of 1 and 0; in dense dispatch, and in dispatch to a capacity. */
    readonly mask: Tensor | undefined,
    /** Which images of the batch this part gets; undefined: all. In sparse dispatch, and in dispatch to a capacity. */
    readonly rows: SelectedRows | undefined,
    /** What is frozen in this part. */
    readonly kept: Kept,
    /** Initialisation of this part's convolution kernels; layers may override it. */
    readonly kernels: Initialiser,
    readonly contexts: ReadonlyMap<ContextKey<unknown>, unknown>,
    /** The classes of the batch's images, where the objective has them. */
    readonly labels: Labels | undefined,
  ) {}

  /** The scope of a whole model, with an empty name and its own declarations. */
  static root(graph: Graph, { training }: ScopeOptions): Scope {
    const declarations = new Declarations()
    return new Scope(
      graph,
      declarations,
      training,
      '',
      undefined,
      undefined,
      'nothing',
      kaimingNormal,
      new Map(),
      undefined,
    )
  }

  /** Builds a part of the model under a name: `scope.in('layer1', stage => …)`. */
  in<T>(name: string, build: (scope: Scope) => T): T {
    const path = this.path === '' ? name : `${this.path}.${name}`
    return this.graph.within(name, () => build(this.#with({ path })))
  }

  /** The same scope with a mask: batch statistics count only the images with mask 1. */
  masked(mask: Tensor): Scope {
    return this.#with({ mask })
  }

  /** The same scope, for only some images of the batch. */
  selected(rows: SelectedRows): Scope {
    return this.#with({ rows, labels: undefined })
  }

  /** The same scope, where BatchNorm uses its running statistics in training too, and does not update them. */
  withRunningStatistics(): Scope {
    return this.#with({ kept: this.kept === 'everything' ? 'everything' : 'statistics' })
  }

  /** The same scope, frozen: parameters are saved with the state, but not trained. */
  frozen(): Scope {
    return this.#with({ kept: 'everything' })
  }

  /** The same scope, trained although it is in a frozen part. */
  trained(): Scope {
    return this.#with({ kept: 'nothing' })
  }

  /** The same scope with this initialisation of convolution kernels. Default: {@link kaimingNormal}. */
  withKernels(kernels: Initialiser): Scope {
    return this.#with({ kernels })
  }

  /** The same place, where layers find a value under a key: how the whole of a model is built, past the functions in between. */
  withContext<T>(key: ContextKey<T>, value: T): Scope {
    return this.#with({ contexts: new Map([...this.contexts, [key, value]]) })
  }

  /** The value under a key; undefined where there is none. */
  context<T>(key: ContextKey<T>): T | undefined {
    return this.contexts.get(key) as T | undefined
  }

  /** The same place, where the class of each image of the batch is known. */
  labelled(labels: Labels): Scope {
    return this.#with({ labels })
  }

  /** The full name of a tensor of this scope: `layer1.0.conv1.weight` for `weight`. */
  name(leaf: string): string {
    return this.path === '' ? leaf : `${this.path}.${leaf}`
  }

  /** A trained tensor; constant in a frozen part. */
  parameter(leaf: string, shape: readonly number[], initialise: Initialiser): Tensor {
    if (this.kept === 'everything') {
      this.declarations.frozen.add(this.name(leaf))
      return this.statistic(leaf, shape, initialise)
    }
    return this.#declare(this.declarations.parameters, 'parameter', leaf, shape, initialise)
  }

  /** A tensor that a training step assigns instead of training it. */
  statistic(leaf: string, shape: readonly number[], initialise: Initialiser): Tensor {
    return this.#declare(this.declarations.statistics, 'statistic', leaf, shape, initialise)
  }

  /** Sets the value of a statistic of this scope after the training step. */
  assign(leaf: string, value: Tensor): void {
    this.declarations.updates.set(this.name(leaf), value)
  }

  /** Has a training step not count where one of these numbers is too large. */
  limit(leaf: string, limit: Limit): void {
    // A layer that is applied repeatedly has one each time.
    const first = this.name(leaf)
    let name = first
    for (let again = 2; this.declarations.limits.has(name); again++) name = `${first}.${again}`
    this.declarations.limits.set(name, limit)
  }

  /** Standard normal numbers, redrawn in every step, as an input of the graph. */
  noise(leaf: string, shape: Tensor['shape']): Tensor {
    return this.#random(this.name(leaf), 'normal', shape)
  }

  /**
   * Uniform numbers in [0, 1), redrawn in every step and call, as an input of the graph: one for each element of a tensor
   * [n, …] whose rows are the images of this part. Each image of the batch has its own, regardless of which images this part gets.
   *
   * @throws MoietyError (usage) where the batch or another extent is not a known number
   */
  uniform(leaf: string, [images, ...extents]: Shape): Tensor {
    const shape = [this.rows?.of ?? images!, ...extents]
    if (shape.some(extent => typeof extent !== 'number'))
      fail({
        kind: 'usage',
        message: `random numbers of shape [${shape.join(', ')}] need known extents`,
        where: this.path,
        help: 'build the training step for a known number of images and image size',
      })
    // A layer that is applied repeatedly, such as a head to several levels, draws each time.
    const first = this.name(leaf)
    let name = first
    for (let again = 2; this.declarations.noise.has(name); again++) name = `${first}.${again}`
    const all = this.#random(name, 'uniform', shape)
    return this.rows === undefined ? all : gatherRows(all, this.rows.indices)
  }

  #random(name: string, distribution: Distribution, shape: Shape): Tensor {
    const tensor = this.graph.input(name, 'float32', shape)
    this.declarations.noise.set(name, { tensor, distribution })
    return tensor
  }

  #with(change: {
    readonly path?: string
    readonly mask?: Tensor
    readonly rows?: SelectedRows
    readonly kept?: Kept
    readonly kernels?: Initialiser
    readonly contexts?: ReadonlyMap<ContextKey<unknown>, unknown>
    readonly labels?: Labels | undefined
  }): Scope {
    const { path = this.path, mask = this.mask, rows = this.rows, kept = this.kept } = change
    const { kernels = this.kernels, contexts = this.contexts } = change
    const labels = 'labels' in change ? change.labels : this.labels
    const { graph, declarations, training } = this
    return new Scope(graph, declarations, training, path, mask, rows, kept, kernels, contexts, labels)
  }

  #declare(
    known: Map<string, Declaration>,
    kind: Declaration['kind'],
    leaf: string,
    shape: readonly number[],
    initialise: Initialiser,
  ): Tensor {
    const name = this.name(leaf)
    const before = known.get(name)
    if (before !== undefined && before.shape.join() !== shape.join()) {
      fail({
        kind: 'usage',
        message: `${kind} "${name}" was declared with shape [${before.shape.join(', ')}] and again with [${shape.join(', ')}]`,
        help: 'build each part of the model under its own name, with scope.in(name, …)',
      })
    }
    known.set(name, { name, shape, kind, initialise })
    return this.graph.input(name, 'float32', shape)
  }
}

/**
 * Takes the tensors of `given` that a model declares.
 *
 * @returns the state with the matching tensors, and the names of missing, unknown and misshapen ones
 */
export function adopt(
  declared: ReadonlyMap<string, HostTensor>,
  given: State,
): {
  readonly state: Map<string, HostTensor>
  readonly missing: string[]
  readonly unknown: string[]
  readonly misshapen: string[]
} {
  const state = new Map(declared)
  const missing: string[] = []
  const misshapen: string[] = []
  for (const [name, tensor] of declared) {
    const found = given.get(name)
    if (found === undefined) missing.push(name)
    else if (found.shape.join() === tensor.shape.join() && found.dtype === tensor.dtype)
      state.set(name, found)
    else misshapen.push(`${name}: ${difference(tensor, found)}`)
  }
  return { state, missing, unknown: [...given.keys()].filter(name => !declared.has(name)), misshapen }
}

/** The difference of two tensors: shapes, and dtypes if they differ. */
function difference(model: HostTensor, file: HostTensor): string {
  const show = ({ dtype, shape }: HostTensor): string =>
    `${model.dtype === file.dtype ? '' : `${dtype} `}[${shape.join(', ')}]`
  return `the model has ${show(model)}, the file ${show(file)}`
}
