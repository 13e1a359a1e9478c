/**
 * Experts that begin as copies of what they replace in a trained network (sparse upcycling, Komatsuzaki et al. 2023). Weights of a
 * mixture add up to 1, so that exact copies give what the plain network gives, whatever the gate says; the shortcut around a
 * mixture begins at 0. An expert with fewer channels inside has those of the stage that are drawn for it; weights on drawn channels are
 * multiplied by (all ÷ drawn), which keeps the expectation of their sums.
 */
import { type Draws, draws } from '../base/random.ts'
import type { HostTensor } from '../base/tensor.ts'

/** How copies are made. */
export interface Copying {
  /** Of each kernel, in standard deviations of it. */
  readonly noise: number
  readonly seed: number
}

type Tensors = ReadonlyMap<string, HostTensor>

/**
 * First values of a model's experts and of the shortcuts around them, as far as the file has what they are copied from.
 *
 * @param given - a plain network's tensors
 */
export function copiedExperts(model: Tensors, given: Tensors, copying: Copying): Map<string, HostTensor> {
  const copies = new Map<string, HostTensor>()
  const experts = new Map<string, string[]>()
  for (const name of model.keys()) {
    const expert = /^.*\.experts\.\d+\./.exec(name)?.[0]
    if (expert === undefined) {
      const shortcut = /^(.*)\.shortcut\.1\.weight$/.exec(name)
      if (shortcut !== null)
        copies.set(
          name,
          like(model.get(name)!, () => 0),
        )
      // The rest of a shortcut is as at first: the file has none.
      else if (/\.shortcut\.[01]\./.test(name)) copies.set(name, model.get(name)!)
    } else experts.set(expert, [...(experts.get(expert) ?? []), name.slice(expert.length)])
  }
  for (const [expert, leaves] of experts) {
    const home = expert.replace(/experts\.\d+\.$/, '')
    const drawn = new DrawnChannels(model, given, expert, home, copying.seed)
    for (const leaf of leaves) {
      const name = expert + leaf
      const copy = drawn.copy(leaf)
      if (copy !== undefined) copies.set(name, noisy(copy, name, copying))
    }
  }
  return copies
}

function like({ dtype, shape, data }: HostTensor, value: (at: number) => number): HostTensor {
  return { dtype, shape, data: Float32Array.from({ length: data.length }, (_, i) => value(i)) }
}

/** BatchNorm's vectors and biases stay as they are. */
function noisy(tensor: HostTensor, name: string, { noise, seed }: Copying): HostTensor {
  if (noise === 0 || tensor.shape.length < 2) return tensor
  const values = Float32Array.from(tensor.data, Number)
  const mean = values.reduce((total, value) => total + value, 0) / values.length
  const deviation = Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length)
  const source = draws(seed, `upcycling noise ${name}`)
  return like(tensor, i => values[i]! + noise * deviation * source.normal())
}

/** Channels of the plain stage that an expert has: at each convolution's result, ascending. */
class DrawnChannels {
  readonly #sets = new Map<string, readonly number[]>()

  constructor(
    readonly model: Tensors,
    readonly given: Tensors,
    readonly expert: string,
    readonly home: string,
    readonly seed: number,
  ) {}

  /** What a tensor of the expert begins as; undefined where the file has nothing like it. */
  copy(leaf: string): HostTensor | undefined {
    const own = this.model.get(this.expert + leaf)!
    const plain = this.given.get(this.#plainName(leaf))
    if (plain?.shape.join() === own.shape.join() && !this.#isNarrow()) return plain
    // Wider than the stage: reported as of another shape.
    if (plain !== undefined && own.shape.some((extent, axis) => extent > (plain.shape[axis] ?? 0)))
      return plain
    const [block, layer] = leaf.split('.')
    if (block === undefined || layer === undefined || !/^\d+$/.test(block)) return plain
    if (plain === undefined)
      return layer === 'downsample' ? this.#identity(leaf, own, Number(block)) : undefined
    const rows = this.#rows(Number(block), layer)
    if (own.shape.length === 1) return selected(plain, own, [rows], 1)
    const columns = this.#columns(Number(block), layer)
    return selected(plain, own, [rows, columns], plain.shape[1]! / columns.length)
  }

  /** The stem is at `conv1` and `bn1` in a plain network. */
  #plainName(leaf: string): string {
    if (this.home !== 'stem.') return this.home.replace(/\.$/, '') + (leaf === '' ? '' : `.${leaf}`)
    return leaf.replace(/^0\./, 'conv1.').replace(/^1\./, 'bn1.')
  }

  /** Whether any convolution of the expert has fewer channels than the stage's. */
  #isNarrow(): boolean {
    const own = this.model.get(`${this.expert}0.conv1.weight`)
    const plain = this.given.get(this.#plainName('0.conv1.weight'))
    return own !== undefined && plain !== undefined && own.shape[0] !== plain.shape[0]
  }

  /** Channels of a layer's result: those of a block's last convolution and of its shortcut are added, so they are the same. */
  #rows(block: number, layer: string): readonly number[] {
    return this.#set(block, layer === 'downsample' ? this.#last(block) : `conv${layer.slice(-1)}`)
  }

  /** The last convolution of a block. */
  #last(block: number): string {
    return this.model.has(`${this.expert}${block}.conv3.weight`) ? 'conv3' : 'conv2'
  }

  /** Channels that a convolution sees. */
  #columns(block: number, layer: string): readonly number[] {
    const number = layer === 'downsample' ? 1 : Number(layer.slice(-1))
    if (number > 1) return this.#rows(block, `conv${number - 1}`)
    if (block > 0) return this.#rows(block - 1, 'downsample')
    return all(this.given.get(this.#plainName('0.conv1.weight'))!.shape[1]!)
  }

  #set(block: number, layer: string): readonly number[] {
    const name = `${block}.${layer}`
    const known = this.#sets.get(name)
    if (known !== undefined) return known
    const count = this.model.get(`${this.expert}${name}.weight`)!.shape[0]!
    const total = this.given.get(this.#plainName(`${name}.weight`))?.shape[0] ?? count
    const made =
      count >= total ? all(total) : sample(total, count, draws(this.seed, `upcycling ${this.expert}${name}`))
    this.#sets.set(name, made)
    return made
  }

  /** A shortcut that the stage has not, since it keeps its channels there: each drawn channel unchanged, others 0. */
  #identity(leaf: string, own: HostTensor, block: number): HostTensor {
    const isOne = leaf.endsWith('1.weight') || leaf.endsWith('running_var')
    if (own.shape.length === 1) return like(own, () => (isOne ? 1 : 0))
    const rows = this.#rows(block, 'downsample')
    const columns = this.#columns(block, 'downsample')
    return like(own, at => (rows[Math.floor(at / columns.length)] === columns[at % columns.length] ? 1 : 0))
  }
}

const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Some of the numbers below `total`, ascending, each set as likely as any other. */
function sample(total: number, count: number, source: Draws): number[] {
  const numbers = all(total)
  for (let i = 0; i < count; i++) {
    const at = i + source.below(total - i)
    ;[numbers[i], numbers[at]] = [numbers[at]!, numbers[i]!]
  }
  return numbers.slice(0, count).sort((a, b) => a - b)
}

/** Rows, and columns times a factor, of a tensor [O], [O, I, kH, kW]. */
function selected(
  plain: HostTensor,
  own: HostTensor,
  [rows = [], columns]: readonly (readonly number[])[],
  factor: number,
): HostTensor {
  const [, inputs = 1, ...kernel] = plain.shape
  const area = kernel.reduce((product, extent) => product * extent, 1)
  const from = columns ?? [0]
  return like(own, at => {
    const row = rows[Math.floor(at / (from.length * area))]!
    const column = from[Math.floor(at / area) % from.length]!
    return factor * Number(plain.data[(row * inputs + column) * area + (at % area)])
  })
}
