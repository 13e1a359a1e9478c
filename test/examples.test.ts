import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Graph, interpret, type Tensor } from 'moiety/graph'
import { gapFc } from 'moiety/moe'
import { describe, expect, it } from 'vitest'
import { trainConvnext } from '../examples/convnext.ts'
import { trainUntilGood } from '../examples/custom-callback.ts'
import { shares, threeExperts } from '../examples/custom-constraint.ts'
import { trainOnParquet } from '../examples/custom-data.ts'
import { contrastGate, twoExperts } from '../examples/custom-gate.ts'
import { trainWithMetric } from '../examples/custom-metric.ts'
import { trainVgg } from '../examples/custom-network.ts'
import { lion, trainByLion } from '../examples/custom-optimizer.ts'
import { trainOnStripes } from '../examples/tiny-training.ts'

/** Numbers of the experts that computed an image of a faint class (0, 1) and of a bold one (2, 3). */
async function expertsByContrast(gate: typeof contrastGate) {
  const { accuracy, outputs, labels } = await trainOnStripes(twoExperts(gate), 60)
  const weights = outputs.get('mixture.weights')!.data
  const chosen = { faint: new Set<number>(), bold: new Set<number>() }
  for (const [image, label] of labels.data.entries()) {
    chosen[Number(label) < 2 ? 'faint' : 'bold'].add(Number(weights[2 * image]) > 0 ? 0 : 1)
  }
  return { accuracy, chosen }
}

describe('the example of a custom gate', () => {
  it('learns to give faint images to one expert and bold ones to the other', async () => {
    const { accuracy, chosen } = await expertsByContrast(contrastGate)
    expect(accuracy).toBeGreaterThan(0.95)
    expect([chosen.faint.size, chosen.bold.size]).toEqual([1, 1])
    expect(chosen.faint).not.toEqual(chosen.bold)
  })

  it('sees what channel means cannot: with GAP-FC one expert gets every image', async () => {
    const { chosen } = await expertsByContrast(gapFc)
    expect(chosen.faint.size).toBe(1)
    expect(chosen.faint).toEqual(chosen.bold)
  })
})

describe('the example of a custom constraint', () => {
  const wanted = [0.6, 0.3, 0.1]

  it('holds the shares that were asked for, and its counter is part of the state', async () => {
    const { accuracy, state } = await trainOnStripes(threeExperts(shares(wanted)), 80)
    const counter = [...state.get('mixture.constraint.a')!.data].map(Number)
    expect(accuracy).toBeGreaterThan(0.95)
    for (const [i, share] of counter.entries()) expect(Math.abs(share - wanted[i]!)).toBeLessThan(0.05)
  })

  it('does the holding: with weight 0 the shares go elsewhere', async () => {
    const { state } = await trainOnStripes(threeExperts(shares(wanted, 0)), 80)
    const counter = [...state.get('mixture.constraint.a')!.data].map(Number)
    const farthest = Math.max(...counter.map((share, i) => Math.abs(share - wanted[i]!)))
    expect(farthest).toBeGreaterThan(0.1)
  })
})

/** The folder of a run that an example writes. */
const newRun = (): string => join(mkdtempSync(join(tmpdir(), 'moiety-example-')), 'run')
const metricsOf = (run: string): unknown[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)

describe('the example of a custom network', () => {
  it('trains like a recipe, and is evaluated as trained and by one expert', async () => {
    const run = newRun()
    const { trained, alone } = await trainVgg(run)
    expect(trained).toBeGreaterThan(0.95)
    expect(alone).toBeLessThanOrEqual(trained)
    expect(existsSync(join(run, 'summary.json'))).toBe(true)
  })
})

describe('the example of a ConvNeXt', () => {
  it('learns, with its experts in use', async () => {
    const { accuracy, layer } = await trainConvnext(newRun())
    expect(accuracy).toBeGreaterThan(0.95)
    expect(layer).toMatchObject({ name: 'mixture', active: 4 })
  })
})

describe('the example of custom data', () => {
  it('reads images from Parquet, by the name of the data set, and a ResNet learns them', async () => {
    const folder = newRun()
    expect(await trainOnParquet(folder)).toBeGreaterThan(0.95)
    const config: unknown = JSON.parse(readFileSync(join(folder, 'run', 'config.json'), 'utf8'))
    expect(config).toMatchObject({ data: { name: 'parquet', options: { classes: ['a', 'b', 'c', 'd'] } } })
  })
})

describe('the example of a custom optimizer', () => {
  it('learns, and makes steps of one size', async () => {
    const run = newRun()
    expect(await trainByLion(run)).toBeGreaterThan(0.95)
    // Without weight decay a parameter moves by the learning rate, up or down: one step of two parameters by hand.
    const graph = new Graph()
    const input = (name: string) => graph.input(name, 'float32', [3])
    const [value, gradient, momentum] = [input('value'), input('gradient'), input('momentum')]
    let next = momentum
    const memory = {
      evolve: () => value,
      evolveFor: (_: unknown, __: string, step: (before: Tensor) => Tensor) => {
        next = step(momentum)
        return next
      },
    }
    const options = { beta1: 0.9, beta2: 0.99, weightDecay: 0.5 }
    const rate = graph.constant('float32', [], [0.125])
    const updated = lion.update(options, rate, memory)({ parameters: [], value, gradient })
    const given = { value: [1, 2, 3], gradient: [1, -8, 8], momentum: [1, 0.5, -1] }
    const feeds = new Map(
      Object.entries(given).map(([name, data]) => [name, { shape: [3], data: Float64Array.from(data) }]),
    )
    const [after, kept] = interpret([updated, next], feeds)
    // c = 0.9 m + 0.1 g = (1, -0.35, -0.1); value - 0.125 (sign(c) + 0.5 value); 0.99 m + 0.01 g.
    expect(after).toBeDefined()
    expect([...after!.data].map(Number)).toEqual([1 - 0.125 * 1.5, 2 - 0.125 * 0, 3 - 0.125 * 0.5])
    for (const [i, wanted] of [1, 0.415, -0.91].entries())
      expect(Number(kept!.data[i])).toBeCloseTo(wanted, 6)
  })
})

describe('the example of a custom metric', () => {
  it('is in every test of the log, and no larger than the accuracy of as many images a class', async () => {
    const run = newRun()
    const last = await trainWithMetric(run)
    expect(last).toBeGreaterThan(0.9)
    const tests = metricsOf(run).filter(
      line => Object(line).kind === 'epoch' && Object(line).split === 'test',
    )
    expect(tests).toHaveLength(6)
    for (const measures of tests.map(Object))
      expect(measures['worst-class']).toBeLessThanOrEqual(measures.top1)
    expect(Object(tests.at(-1))['worst-class']).toBe(last)
  })
})

describe('the example of a custom callback', () => {
  it('ends the training at the second test in a row that is good enough', async () => {
    const run = newRun()
    const { accuracy, epochs } = await trainUntilGood(run)
    expect(accuracy).toBeGreaterThanOrEqual(0.95)
    expect(epochs).toBeLessThan(30)
    const tests = metricsOf(run).flatMap(line =>
      Object(line).kind === 'epoch' && Object(line).split === 'test' ? [Object(line).top1 >= 0.95] : [],
    )
    expect(tests).toHaveLength(epochs)
    expect(tests.slice(-2)).toEqual([true, true])
    expect(tests.slice(0, -1).some((isGood, i) => i > 0 && isGood && tests[i - 1])).toBe(false)
  })
})

describe('the examples', () => {
  const folder = new URL('../examples/', import.meta.url)
  const names = readdirSync(folder).filter(name => name.endsWith('.ts') && name !== 'tiny-training.ts')
  it.each(names)('%s fits on a screen: at most 60 lines', name => {
    const text = readFileSync(new URL(name, folder), 'utf8')
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(60)
  })
})
