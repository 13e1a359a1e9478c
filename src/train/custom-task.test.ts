import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { globalAveragePool, relu } from '../graph/index.ts'
import type { Classifier } from '../models/index.ts'
import { gapFc, kl, mixtureOfExperts } from '../moe/index.ts'
import { conv, type Layer, linear } from '../nn/index.ts'
import { latestCheckpoint } from '../run/checkpoint.ts'
import type { TrainEvent } from '../run/events.ts'
import { Engine } from '../runtime/index.ts'
import { classificationTask } from '../tasks/classification/custom-classification.ts'
import { evaluateRun } from '../tasks/evaluate-run.ts'
import { train } from './train.ts'

const size = 8

/** Images of one colour with noise: red is class 0, blue is class 1. */
function coloured(count: number, seed: number) {
  const noise = draws(seed, 'colours')
  const plane = size * size
  const pixels = new Uint8Array(count * 3 * plane)
  for (let n = 0; n < count; n++)
    for (let i = 0; i < 3 * plane; i++) {
      const bright = Math.floor(i / plane) === (n % 2 === 0 ? 0 : 2)
      pixels[n * 3 * plane + i] = Math.floor((bright ? 128 : 0) + 127 * noise.uniform())
    }
  return { pixels, labels: Array.from({ length: count }, (_, n) => n % 2), size }
}

const expert: Layer = (scope, x) => relu(conv(scope, x, { outputs: 4, kernel: 3, bias: true }))

/** A VGG-like network with a mixture of three experts that no recipe describes. */
const network: Classifier = (scope, images) => {
  const stem = scope.in('stem', inner => relu(conv(inner, images, { outputs: 4, kernel: 3, bias: true })))
  const { output, losses, stats } = scope.in('mixture', inner =>
    mixtureOfExperts(inner, stem, {
      experts: [expert, expert, expert],
      gate: gapFc,
      k: 2,
      constraint: kl({ weight: 0.1 }),
    }),
  )
  return { logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), 2)), losses, stats }
}

const make = (epochs: number) =>
  classificationTask({
    config: {
      training: { epochs, batch: 16 },
      optimizer: { name: 'adam', learningRate: 0.02 },
      schedule: { name: 'constant' },
      engine: { threads: 1 },
    },
    network,
    data: { title: 'colours', classes: ['red', 'blue'], train: coloured(64, 1), test: coloured(32, 2) },
  })

it('a network of the user trains, stops, resumes to the same bits, is evaluated and analysed', async () => {
  const root = mkdtempSync(join(tmpdir(), 'moiety-custom-'))
  const run = async (
    name: string,
    signal?: AbortSignal,
    resume = false,
    onEvent?: (event: TrainEvent) => void,
  ) => {
    const task = make(6)
    const { config } = task
    const options = {
      config,
      task,
      run: join(root, name),
      recipe: 'mine',
      resume,
      ...(onEvent && { onEvent }),
    }
    return await train({ ...options, signal })
  }
  const whole = await run('whole')
  expect(whole.measures.top1).toBe(1)
  expect(whole.layers.map(({ name }) => name)).toEqual(['mixture'])
  for (const file of ['config.json', 'metrics.jsonl', 'summary.json'])
    expect(existsSync(join(root, 'whole', file)), file).toBe(true)

  const stop = new AbortController()
  const cut = await run('cut', stop.signal, false, event => {
    if (event.kind === 'step' && event.step === 9) stop.abort()
  })
  expect(cut.interrupted).toBe(true)
  await run('cut', undefined, true)
  const [a, b] = ['whole', 'cut'].map(
    name => latestCheckpoint(join(root, name), { fallback: false }).checkpoint!,
  )
  for (const [name, tensor] of a!.state) expect(b!.state.get(name)?.data, name).toEqual(tensor.data)
  const lines = (name: string) =>
    readFileSync(join(root, name, 'metrics.jsonl'), 'utf8').replaceAll(/"seconds":[^,}]*/g, '')
  expect(lines('cut')).toBe(lines('whole'))

  const task = make(6)
  const evaluated = await evaluateRun({ run: join(root, 'whole'), task })
  expect(evaluated).toMatchObject({ task: 'classification', images: 32, measures: { top1: 1 } })
  expect(task.mixtures).toEqual([{ place: 'mixture', experts: 3, k: 2, constraint: 'kl', style: null }])

  const engine = await Engine.start({ threads: 1 })
  try {
    await engine.setState(a!.state)
    const { trained, variants } = await task.withVariants(engine, 'test')
    expect(trained.measures).toEqual(evaluated.measures)
    expect(variants.map(({ variant }) => variant.kind)).toEqual([
      ...['single', 'single', 'single', 'without', 'without', 'without', 'k', 'k', 'k', 'equal'],
    ])
    // As trained it is K = 2; other routing is another network.
    expect(variants[7]!.predictions).toEqual(trained.predictions[0])
    const only = await task.evaluation([engine], { kind: 'single', expert: 1 }).run('test')
    expect(only!.layers[0]!.activation).toEqual([0, 1, 0])
  } finally {
    await engine.stop()
  }
})
