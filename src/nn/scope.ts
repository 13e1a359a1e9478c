import { fail } from '../base/errors.ts'
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
  /** Whether batch statistics, noise and constraints are at work. */
  readonly training: boolean
}

/** What of a part of a model a training step leaves as it is: BatchNorm's statistics, or parameters as well. */
export type Kept = 'nothing' | 'statistics' | 'everything'

/** What random numbers are like: standard normal, or uniform in [0, 1). */
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
  /** How many images the batch has. */
  readonly of: Tensor['shape'][number]
}

/** The class of each image of a batch, for whatever learns from it beside the task's loss. */
export interface Labels {
  /** int64 [N], from 0. */
  readonly indices: Tensor
  readonly classes: number
}

/** What layers declared while a model was built on a graph. */
export class Declarations {
  readonly parameters = new Map<string, Declaration>()
  readonly statistics = new Map<string, Declaration>()
  /** Names of those statistics that are parameters of a part that is not trained. */
  readonly frozen = new Set<string>()
  /** New values of statistics after a training step. */
  readonly updates = new Map<string, Tensor>()
  /** Inputs that a step must feed with random numbers, by name. */
  readonly noise = new Map<string, RandomInput>()

  /** Parameters and statistics together, in the order they were declared. */
  all(): Declaration[] {
    return [...this.parameters.values(), ...this.statistics.values()]
  }

  /**
   * First values of everything declared. Each tensor draws from a place of its own, named after it, so that
   * adding a layer does not change what another one gets.
   */
  initialState(seed: number): Map<string, HostTensor> {
    return new Map(
      this.all().map(({ name, shape, initialise }) => {
        const data = initialise(shape, draws(seed, `init ${name}`))
        return [name, { dtype: 'float32', shape, data } satisfies HostTensor]
      }),
    )
  }

  /** Everything that has been or is being learned: the parameters, and those of frozen parts. */
  learned(): Declaration[] {
    return [...this.parameters.values(), ...[...this.frozen].map(name => this.statistics.get(name)!)]
  }

  /** How many numbers the parameters hold, those of frozen parts included. */
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
 * Where a layer is being built: a name on a graph. A layer is a function of a scope and a tensor; it asks the
 * scope for its parameters, which become inputs of the graph under torchvision's names.
 */
export class Scope {
  private constructor(
    readonly graph: Graph,
    readonly declarations: Declarations,
    readonly training: boolean,
    readonly path: string,
    /** 1 for images of the batch that count, 0 for those that do not, [N]; only in dense dispatch. */
    readonly mask: Tensor | undefined,
    /** Which images of the batch this part gets; undefined: all. Only in sparse dispatch. */
    readonly rows: SelectedRows | undefined,
    /** What of this part a training step leaves as it is. */
    readonly kept: Kept,
    /** First values of the kernels of this part's convolutions, unless a layer names its own. */
    readonly kernels: Initialiser,
    readonly contexts: ReadonlyMap<ContextKey<unknown>, unknown>,
    /** The classes of the batch's images, where the objective has them. */
    readonly labels: Labels | undefined,
  ) {}

  /** The scope of a whole model, with an empty name and declarations of its own. */
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

  /** The same place, where batch statistics count only the images with mask 1. */
  masked(mask: Tensor): Scope {
    return this.#with({ mask })
  }

  /** The same place, which gets only some images of the batch. */
  selected(rows: SelectedRows): Scope {
    return this.#with({ rows, labels: undefined })
  }

  /** The same place, where BatchNorm uses its running statistics in training too, and leaves them as they are. */
  withRunningStatistics(): Scope {
    return this.#with({ kept: this.kept === 'everything' ? 'everything' : 'statistics' })
  }

  /** The same place, where nothing is trained: parameters are saved with the state, but no step changes them. */
  frozen(): Scope {
    return this.#with({ kept: 'everything' })
  }

  /** The same place, where kernels of convolutions get these first values: a scope begins with {@link kaimingNormal}. */
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

  /** A trained tensor; in a frozen part one that keeps its value. */
  parameter(leaf: string, shape: readonly number[], initialise: Initialiser): Tensor {
    if (this.kept === 'everything') {
      this.declarations.frozen.add(this.name(leaf))
      return this.statistic(leaf, shape, initialise)
    }
    return this.#declare(this.declarations.parameters, 'parameter', leaf, shape, initialise)
  }

  /** A tensor that a training step assigns rather than trains. */
  statistic(leaf: string, shape: readonly number[], initialise: Initialiser): Tensor {
    return this.#declare(this.declarations.statistics, 'statistic', leaf, shape, initialise)
  }

  /** Gives a statistic of this scope its value after the training step. */
  assign(leaf: string, value: Tensor): void {
    this.declarations.updates.set(this.name(leaf), value)
  }

  /** Standard normal numbers, fresh in every step, as an input of the graph. */
  noise(leaf: string, shape: Tensor['shape']): Tensor {
    return this.#random(this.name(leaf), 'normal', shape)
  }

  /**
   * Uniform numbers in [0, 1), fresh in every step and at every call, as an input of the graph: one for each place of a tensor
   * [n, …] whose rows are the images of this part. Each image of the batch has its own, whichever of them this part gets.
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
    // A layer that is applied again, such as a head to another level, draws again.
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
        help: 'build each part of the model under a name of its own, with scope.in(name, …)',
      })
    }
    known.set(name, { name, shape, kind, initialise })
    return this.graph.input(name, 'float32', shape)
  }
}

/**
 * Takes the tensors of `given` that a model declares.
 *
 * @returns the state with what fitted, and by name what was missing, not asked for, or of another shape
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

/** What sets two tensors apart: their shapes, and their dtypes where those differ. */
function difference(model: HostTensor, file: HostTensor): string {
  const show = ({ dtype, shape }: HostTensor): string =>
    `${model.dtype === file.dtype ? '' : `${dtype} `}[${shape.join(', ')}]`
  return `the model has ${show(model)}, the file ${show(file)}`
}
