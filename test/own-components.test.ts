import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadComponents } from '../src/config/use.ts'
import { openDataset } from '../src/data/index.ts'
import { listCheckpoints } from '../src/run/checkpoint.ts'
import {
  moiety as command,
  type Ended,
  fingerprint,
  metricLines,
  newFolder,
  signalledAt,
  start,
} from './tiny.ts'

/** The example of a network, a data set, a transform, a metric and a callback, through every command. */
const folder = newFolder()
const root = fileURLToPath(new URL('..', import.meta.url))
mkdirSync(join(folder, 'node_modules'))
symlinkSync(root, join(folder, 'node_modules', 'moiety'), 'dir')
symlinkSync(join(root, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'), 'dir')
for (const name of ['own-components.mjs', 'own-components.json'])
  cpSync(join(root, 'examples', name), join(folder, name))

const file = join(folder, 'own-components.mjs')
const recipe = join(folder, 'own-components.json')
const use = ['--use', file]
const run = join(folder, 'run')
/** In a process of its own, for what depends on which components are there. */
const moiety = (...words: string[]): Promise<Ended> => start(words).ended
const train = ['train', recipe, '--threads', '1', '--set', 'training.checkpointEvery={"steps":2}']
const json = (text: string): unknown => JSON.parse(text)

async function succeeded(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(...words)
  expect(code, `${words.join(' ')}: ${stderr}`).toBe(0)
  return stdout
}

beforeAll(async () => {
  await succeeded(...train, '--out', run)
})

describe('components of a user’s own', () => {
  it('train until the callback ends it, with the metric in log and summary', () => {
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').map(json)
    // 96 images in batches of 16 are 6 steps an epoch; at least 25 steps have been done after the fifth.
    expect(lines.filter(line => Object(line).kind === 'step').length).toBe(30)
    const summary = json(readFileSync(join(run, 'summary.json'), 'utf8'))
    expect(summary).toMatchObject({ measures: { top1: 1 }, layers: [{ name: 'mixture' }] })
    expect(Object(summary).measures.confidence).toBeGreaterThan(0.9)
    expect(json(readFileSync(join(run, 'config.json'), 'utf8'))).toMatchObject({
      data: { name: 'colours', options: { train: 96, test: 32 } },
      model: { network: { name: 'two-blocks', width: 8, experts: 3 } },
      augmentation: { transforms: [{ name: 'darken', most: 0.5 }] },
      training: {
        callbacks: [
          { name: 'enough-steps', steps: 25 },
          { name: 'early-stopping', patience: 3 },
        ],
      },
      use: { files: [file] },
    })
  })

  it('are resumed after SIGKILL to the same bits, what callbacks remember included', async () => {
    const killed = join(folder, 'killed')
    expect((await signalledAt(9, 'SIGKILL', [...train, '--out', killed])).signal).toBe('SIGKILL')
    expect(listCheckpoints(killed).at(-1)?.step).toBe(8)
    const before = metricLines(killed)
    await succeeded(...train, '--out', killed, '--resume')
    expect(metricLines(killed)).toBeGreaterThan(before)
    expect(fingerprint(killed)).toEqual(fingerprint(run))
  })

  it('are evaluated, explained and compared', async () => {
    const evaluated = json(await succeeded('eval', run, ...use, '--json'))
    const { measures } = Object(json(readFileSync(join(run, 'summary.json'), 'utf8')))
    expect(Object(evaluated).measures).toEqual(measures)
    for (const choice of [['--k', '1'], ['--only', '0'], ['--without', '2'], ['--equal']])
      expect(await succeeded('eval', run, ...use, ...choice)).toContain('top-1')
    const { code, stderr } = await moiety('eval', run, ...use, '--only', '3')
    expect([code, stderr]).toEqual([2, expect.stringContaining('there is no expert 3: experts are 0 to 2')])
    await succeeded('explain', run, ...use)
    const report = json(readFileSync(join(run, 'report.json'), 'utf8'))
    expect(Object(report).layers.map(({ name }: { name: string }) => name)).toEqual(['mixture'])
    const other = join(folder, 'other')
    await succeeded(...train, '--seed', '5', '--out', other)
    await succeeded('explain', other, ...use)
    await succeeded('compare', run, other, ...use, '--out', join(folder, 'compared.html'))
    expect(readFileSync(join(folder, 'compared.html'), 'utf8')).toContain('confidence')
  })

  it('predict what a picture shows', async () => {
    const picture = join(folder, 'blue.png')
    const background = { r: 20, g: 20, b: 220 }
    await sharp({ create: { width: 20, height: 20, channels: 3, background } })
      .png()
      .toFile(picture)
    const predicted = Object(json(await succeeded('predict', run, picture, ...use, '--json')))
    expect(predicted.images[0].prediction.classes[0]).toMatchObject({ name: 'blue' })
    expect(predicted.layers).toMatchObject([{ name: 'mixture', experts: 3 }])
  })

  it('are exported to a file that gives for the test images what the evaluation measured', async () => {
    const out = join(folder, 'model.onnx')
    await succeeded('export', run, ...use, '--uint8', '--out', out)
    await loadComponents([file])
    const { test, size } = await openDataset(
      Object(json(readFileSync(join(run, 'config.json'), 'utf8'))).data,
    )
    const session = await InferenceSession.create(out)
    expect(Object(session.inputMetadata[0]).shape.slice(1)).toEqual([3, 8, 8])
    const pixels = await test.load(Array.from({ length: test.length }, (_, i) => i))
    const { logits } = await session.run({
      images: new Tensor('uint8', pixels, [test.length, 3, size, size]),
    })
    const values = logits!.data as Float32Array
    const right = Array.from(test.labels, (label, n) => {
      const [own, other] = [values[2 * n + label]!, values[2 * n + 1 - label]!]
      return { isFirst: own > other, probability: 1 / (1 + Math.exp(other - own)) }
    })
    const { measures } = Object(json(readFileSync(join(run, 'summary.json'), 'utf8')))
    expect(right.filter(({ isFirst }) => isFirst).length / test.length).toBe(measures.top1)
    const confidence = right.reduce((sum, { probability }) => sum + probability, 0) / test.length
    expect(Math.abs(confidence - measures.confidence)).toBeLessThan(1e-5)
  })

  it('are the axes of a sweep and its table', async () => {
    const sweep = {
      name: 'own',
      title: 'Own',
      recipe: 'own-components.json',
      grid: { 'model.network.experts': [2, 3], 'data.options.train': [48, 96] },
      exclude: [{ experts: 3, train: 48 }],
      seeds: [1],
      set: { 'training.epochs': 1 },
    }
    writeFileSync(join(folder, 'sweep.json'), JSON.stringify(sweep))
    const out = join(folder, 'sweep')
    const said = await succeeded('sweep', join(folder, 'sweep.json'), '--out', out, '--no-trial', ...use)
    expect(said).toContain('3 of 3 runs finished')
    const table = await succeeded('table', out, '--value', 'confidence', ...use)
    expect(table).toContain('confidence')
    expect(table).toMatch(/0\.\d+/)
  })

  it('are listed by help, recipes and data, and found by --data', async () => {
    const help = await succeeded('train', '--help', ...use)
    const shown = await succeeded('recipes', 'show', recipe)
    for (const text of [help, shown])
      for (const name of [
        'network two-blocks',
        'dataset colours',
        'transform darken',
        'metric confidence',
        'callback enough-steps',
      ])
        expect(text).toContain(name)
    expect(await succeeded('data', ...use)).toContain('--data colours')
    const words = [
      '--set',
      'model.width=4',
      '--set',
      'training.epochs=1',
      '--set',
      'data.options={"train":16,"test":8}',
    ]
    await succeeded('train', ...use, '--data', 'colours', ...words, '--out', join(folder, 'by-name'))
    const { stderr, code } = await moiety('train', ...use, '--data', 'colors')
    expect([code, stderr.includes('did you mean colours?')]).toEqual([2, true])
  })

  it('are refused with other code, and without it', async () => {
    const other = join(folder, 'changed')
    mkdirSync(other)
    writeFileSync(join(other, 'own-components.mjs'), `${readFileSync(file, 'utf8')}// changed\n`)
    const resumed = await moiety(
      'train',
      '--resume',
      '--out',
      run,
      '--use',
      join(other, 'own-components.mjs'),
    )
    expect([resumed.code, resumed.stderr.includes('is not the one that this was made with')]).toEqual([
      2,
      true,
    ])
    const without = await moiety('eval', run)
    expect([without.code, without.stderr.includes(`add --use ${file}`)]).toEqual([2, true])
  })
})

describe('a component whose code throws', () => {
  const broken = (name: string, text: string): string => {
    const path = join(folder, `${name}.mjs`)
    writeFileSync(
      path,
      `import { defineConstraint, defineGate } from 'moiety/moe'
import { defineDataset, defineTransform } from 'moiety/data'
import { defineMetric } from 'moiety/metrics'
import { defineNetwork } from 'moiety/models'
import { defineCallback, defineOptimizer, defineSchedule } from 'moiety/train'
const facts = { name: '${name}', description: 'throws', options: {} }
const broken = () => undefined.shape
export default [${text}]`,
    )
    return path
  }
  const colours = ['--use', file, '--set', 'data.name=colours']
  const small = ['--set', 'model.width=4', '--set', 'training.epochs=1', '--threads', '1']
  it.each<[string, string, string, number]>([
    [
      'network',
      'defineNetwork({ ...facts, create: () => broken })',
      'model={"network":{"name":"NAME"},"moe":[]}',
      2,
    ],
    ['dataset', 'defineDataset({ ...facts, create: () => async () => broken() })', 'data.name=NAME', 3],
    [
      'dataset',
      'defineDataset({ ...facts, create: () => () => { const split = { length: 16, labels: Int32Array.from({ length: 16 }, (_, i) => i % 2), load: broken }; return { title: "x", size: 8, classes: ["a", "b"], mean: [0, 0, 0], std: [1, 1, 1], train: split, test: split } } })',
      'data.name=NAME',
      3,
    ],
    [
      'transform',
      'defineTransform({ ...facts, create: () => broken })',
      'augmentation.transforms=[{"name":"NAME"}]',
      2,
    ],
    [
      'metric',
      'defineMetric({ ...facts, format: "percent", create: () => broken })',
      'training.metrics=[{"name":"NAME"}]',
      2,
    ],
    [
      'callback',
      'defineCallback({ ...facts, create: () => new (class { #x = 1; onStep() { if (this.#x === 1) broken() } }) })',
      'training.callbacks=[{"name":"NAME"}]',
      2,
    ],
    [
      'constraint',
      'defineConstraint({ ...facts, kind: "other", noise: false, create: () => ({ loss: broken }) })',
      'model.moe.0.constraint.name=NAME',
      2,
    ],
    ['gate', 'defineGate({ ...facts, create: () => broken })', 'model.moe.0.gate=NAME', 2],
    [
      'optimizer',
      'defineOptimizer({ ...facts, learningRate: 0.1, update: () => broken })',
      'optimizer={"name":"NAME"}',
      2,
    ],
    ['schedule', 'defineSchedule({ ...facts, rateAt: broken })', 'schedule={"name":"NAME"}', 2],
  ])('is named with its file, and is no bug in Moiety: %s %#', async (type, text, set, exitCode) => {
    const name = `broken-${type}-${text.length}`
    const path = broken(name, text)
    const out = join(folder, `run-${name}`)
    const words = [...colours, '--use', path, '--set', set.replace('NAME', name), ...small, '--out', out]
    const { code, stderr } = await command('train', ...words)
    expect(stderr).toContain(`error: the ${type} "${name}" failed: `)
    expect(stderr).toContain(`at ${path}`)
    expect(stderr).not.toContain('bug')
    expect(code).toBe(exitCode)
  })
})
