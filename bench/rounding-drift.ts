import Table from 'cli-table3'
import { draws } from 'moiety'
import { Engine } from 'moiety/runtime'
import {
  classifierOf,
  classifierStepOptions,
  measureDrift,
  resolveConfig,
  type StepDrift,
  writeStep,
} from 'moiety/train'

/**
 * How far float32 is from float64 after some steps of Adam, and which discrete choice the difference comes from, if any: a
 * relu's sign, a top-k, a comparison. Narrow networks on small random images: float64 is computed by the interpreter.
 */
const form = { width: 4, size: 16, batch: 16, classes: 10, steps: 12, learningRate: 1e-3 } as const

/**
 * Networks with one mixture of four experts, and what is special about it. Which choices differ depends on the seed and on the
 * processor: `seed` is one where a choice did on an x64 processor with AVX-512. The first step of a wider network has as many
 * choices as twelve of the others.
 */
const cases = [
  {
    title: 'conv, p = 0',
    seed: 209,
    form: { width: 8, size: 32, steps: 1 },
    moe: { position: 0, style: 'conv' },
  },
  { title: 'Block, p = 1', seed: 5, form: {}, moe: { position: 1, style: 'block' } },
  { title: 'conv, p = 4', seed: 2, form: {}, moe: { position: 4, style: 'conv' } },
  { title: 'ResBlock, p = 3', seed: 16, form: {}, moe: { position: 3, style: 'resblock' } },
  {
    title: 'ResBlock, p = 4, K = 1',
    seed: 15,
    form: {},
    moe: { position: 4, style: 'resblock', k: 1, weighting: 'softmax-before-top-k' },
  },
  {
    title: 'ResBlock, p = 4, z-loss',
    seed: 12,
    form: {},
    moe: { position: 4, style: 'resblock', constraint: { name: 'z-loss' } },
  },
] as const

type Trial = (typeof cases)[number]

/** The trainings of one network, one a seed. */
export interface DriftResult {
  readonly title: string
  readonly trainings: readonly { readonly seed: number; readonly steps: readonly StepDrift[] }[]
}

/**
 * Trains each network with its seed, and the next ones until a choice differs, at most `seeds` times.
 *
 * @param onTraining - told of each training before it begins
 */
export async function measureDrifts(
  { seeds, threads }: { readonly seeds: number; readonly threads: number },
  onTraining: (text: string) => void,
): Promise<DriftResult[]> {
  const engine = await Engine.start({ threads })
  try {
    const results: DriftResult[] = []
    for (const trial of cases) {
      const trainings: { seed: number; steps: readonly StepDrift[] }[] = []
      for (let seed: number = trial.seed; seed < trial.seed + seeds; seed++) {
        onTraining(`${trial.title}, seed ${seed}`)
        const steps = await trained(engine, trial, seed)
        trainings.push({ seed, steps })
        if (steps.some(({ changed }) => changed.length > 0)) break
      }
      results.push({ title: trial.title, trainings })
    }
    return results
  } finally {
    await engine.stop()
  }
}

async function trained(engine: Engine, { title, moe, form: own }: Trial, seed: number): Promise<StepDrift[]> {
  const { width, size, batch, classes, steps, learningRate } = { ...form, ...own }
  const layer = { experts: 4, k: 2, gate: 'gap-fc', constraint: { name: 'importance' }, ...moe }
  const { model, optimizer } = resolveConfig(
    {
      // The seeds above were found with these first values.
      model: { name: 'resnet18', stem: 'cifar', width, initialisation: 'fan-out', moe: [layer] },
      optimizer: { name: 'adam', learningRate },
    },
    title,
  )
  const step = classifierStepOptions({
    classifier: classifierOf(model, { classes }),
    classes,
    batch,
    size,
    optimizer,
    labelSmoothing: 0,
    clipNorm: null,
  })
  const { noise, model: names, initialState } = writeStep(step)
  const state = new Map([...initialState(seed)].filter(([name]) => names.includes(name)))
  const batches = Array.from({ length: steps }, (_, i) => {
    const labels = draws(seed, 'labels', i)
    return new Map([
      ['images', normal([batch, 3, size, size], seed, 'images', i)],
      ['labels', { dtype: 'int64', shape: [batch], data: labelsOf(batch, () => labels.below(classes)) }],
      ...noise.map(({ name, shape }) => [name, normal(shape, seed, name, i)] as const),
    ])
  })
  return await measureDrift(engine, { step, state, batches, learningRate })
}

type Tensor =
  Parameters<typeof measureDrift>[1]['batches'][number] extends ReadonlyMap<string, infer T> ? T : never

function labelsOf(count: number, next: () => number): BigInt64Array {
  return BigInt64Array.from({ length: count }, () => BigInt(next()))
}

function normal(shape: readonly number[], seed: number, purpose: string, step: number): Tensor {
  const source = draws(seed, purpose, step)
  const length = shape.reduce((product, extent) => product * extent, 1)
  return { dtype: 'float32', shape, data: Float32Array.from({ length }, () => source.normal()) }
}

/**
 * A line for each network: the first choice that differed, and ‖g₃₂ − g₆₄‖ / ‖g₆₄‖ in that step and in the last one. `apart`: the
 * float64 training makes its own choices; `following`: it makes those of float32; `same values`: it also begins each step
 * with the values of float32, and this is the largest of all steps.
 */
export function describeDrifts(results: readonly DriftResult[]): string {
  const table = new Table({
    head: [
      ...['network', 'seed', 'step', 'choice that differs', 'distance', 'of the largest'],
      ...['apart', 'following', 'last step apart', 'following', 'same values'],
    ],
    style: { head: [], border: [], compact: true },
  })
  for (const { title, trainings } of results) {
    const { seed, steps } = trainings.at(-1)!
    const at = steps.findIndex(({ changed }) => changed.length > 0)
    const all = trainings.flatMap(training => training.steps)
    const same = worst(all, 'sameValues')
    const turned = steps[at]
    if (turned === undefined) {
      const range = seed === trainings[0]!.seed ? seed : `${trainings[0]!.seed}–${seed}`
      table.push([title, range, '', 'none', '', '', '', '', worst(all, 'own'), worst(all, 'following'), same])
      continue
    }
    const { label, index, margin, largest } = turned.changed[0]!
    const last = steps.at(-1)!
    table.push([
      ...[title, seed, at + 1, `${label} [${index.join(', ')}]`],
      ...[exponential(margin), `${((margin / largest) * 2 ** 24).toFixed(2)} · 2⁻²⁴`],
      ...[exponential(turned.own.difference), exponential(turned.following.difference)],
      ...[exponential(last.own.difference), exponential(last.following.difference), same],
    ])
  }
  return table.toString()
}

function worst(steps: readonly StepDrift[], kind: 'own' | 'following' | 'sameValues'): string {
  return exponential(Math.max(...steps.map(step => step[kind].difference)))
}

function exponential(value: number): string {
  return value.toExponential(1)
}
