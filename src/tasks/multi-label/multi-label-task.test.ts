import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tinyMultiLabel, writeTinyMultiLabel } from '../../../test/tiny-multi-label.ts'
import type { HostTensor } from '../../base/tensor.ts'
import { resolveConfig } from '../../config/config.ts'
import { Graph } from '../../graph/index.ts'
import { Scope } from '../../nn/index.ts'
import { Engine } from '../../runtime/index.ts'
import { writeStep } from '../../train/step.ts'
import { stepFeeds } from '../../train/step-feeds.ts'
import { classifierOf } from '../classifier-of.ts'
import { kindOfTask } from '../kinds.ts'
import { overridesOf, variantName } from '../variants.ts'
import { multiLabelProgram } from './multi-label-program.ts'
import { type MultiLabelTask, multiLabel, openMultiLabelTask } from './multi-label-task.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-multi-label-task-'))
const configOf = (fields: object = {}) =>
  resolveConfig({ ...tinyMultiLabel(folder), training: { batch: 8 }, ...fields }, 'test')

let engine: Engine
let task: MultiLabelTask
beforeAll(async () => {
  await writeTinyMultiLabel(folder, { train: 20, val: 12, test: 10 })
  const layer = { style: 'resblock', experts: 3, k: 2 }
  const moe = [
    { ...layer, position: 4 },
    { position: 3, style: 'block', experts: 2, k: 2 },
  ]
  // Larger first values: untrained experts of the published ones differ too little to tell variants apart.
  const model = { name: 'resnet18', width: 4, initialisation: 'fan-out', moe }
  task = await openMultiLabelTask(configOf({ model }))
  engine = await Engine.start({ threads: 1 })
  const scope = Scope.root(new Graph(), { training: false })
  const images = scope.graph.input('images', 'float32', ['N', 3, 32, 32])
  classifierOf(task.config.model, { classes: 4 })(scope, images)
  await engine.setState(scope.declarations.initialState(7))
})
afterAll(() => engine.stop())

describe('the multi-label task', () => {
  it('is that of the data set multi-label', async () => {
    expect(kindOfTask(configOf())).toBe(multiLabel)
    expect(kindOfTask(configOf({ data: { name: 'sample' } })).name).toBe('classification')
    await expect(openMultiLabelTask(configOf({ data: { name: 'sample' } }))).rejects.toThrow(
      'those of sample have one class each',
    )
    await expect(openMultiLabelTask(configOf({ data: { name: 'multi-label' } }))).rejects.toThrow(
      'expected the folder of the labels, got none',
    )
  })

  it('feeds images with a number for each class', async () => {
    expect(task.stepsPerEpoch).toBe(3)
    expect(task.forms(0).map(({ images }) => images)).toEqual([8, 4])
    const indices = Uint32Array.of(3, 0)
    const { feeds, form } = await task.load(indices, 0)
    expect(form).toEqual({ images: 2, height: 32, width: 32 })
    const { targets } = task.data.train
    expect(feeds.get('targets')!.shape).toEqual([2, 4])
    expect([...feeds.get('targets')!.data].map(Number)).toEqual([
      ...targets.subarray(12, 16),
      ...targets.subarray(0, 4),
    ])
  })

  it('mixes images and targets by the same share, a function of seed and epoch', async () => {
    const mixed = await openMultiLabelTask(configOf({ augmentation: { mixup: { alpha: 1 } } }))
    const indices = Uint32Array.of(3, 0, 5)
    const { feeds } = await mixed.load(indices, 2)
    const plain = (await (await openMultiLabelTask(configOf())).load(indices, 2)).feeds
    const [share] = feeds.get('labelShares')!.data
    expect(share).toBeGreaterThanOrEqual(0.5)
    const of = (name: string, from: ReadonlyMap<string, HostTensor> = feeds) =>
      [...from.get(name)!.data].map(Number)
    // Rows of the images before, the first of the last.
    const rolled = [2, 0, 1].flatMap(row => of('targets', plain).slice(4 * row, 4 * row + 4))
    const isOwn = of('targets').join() === of('targets', plain).join()
    expect(of(isOwn ? 'otherTargets' : 'targets')).toEqual(rolled)
    const perImage = 3 * 32 * 32
    const pixel = (at: number) => of('images', plain)[at]!
    const [own, other] = [pixel(7), pixel(2 * perImage + 7)]
    const weight = Number(isOwn ? share : 1 - Number(share))
    expect(of('images')[7]).toBeCloseTo(weight * own + (1 - weight) * other, 5)
    expect((await mixed.load(indices, 2)).feeds).toEqual(feeds)
  })

  it('trains on mixed images with class weights, and reports the counts', async () => {
    const config = configOf({
      augmentation: { mixup: {}, cutmix: {} },
      model: { name: 'resnet18', width: 4 },
      training: { batch: 8, classWeights: 'balanced' },
    })
    const mixed = await openMultiLabelTask(config)
    const counts = [0, 1, 2, 3].map(
      c => mixed.data.train.targets.filter((on, at) => on === 1 && at % 4 === c).length,
    )
    for (const [c, name] of mixed.data.classes.entries())
      expect(mixed.trainingNotes[0]).toContain(
        `${name} ${counts[c]} (weight ${((20 - counts[c]!) / counts[c]!).toPrecision(3)})`,
      )
    const step = writeStep({
      objective: mixed.objective(),
      form: { images: 4, height: 32, width: 32 },
      optimizer: config.optimizer,
      clipNorm: null,
    })
    const own = await Engine.start({ threads: 1 })
    await own.setState(step.initialState(1))
    const loaded = await own.load(step.program)
    const { feeds } = await mixed.load(Uint32Array.of(1, 2, 3, 4), 0)
    const fed = stepFeeds(step, feeds, { step: 0, epoch: 0, rate: 0.01 }, 1)
    const { outputs } = await loaded.step(fed, step)
    expect(Number.isFinite(outputs.get('loss')!.data[0])).toBe(true)
    await own.stop()
  })

  it('refuses targets that are neither 0 nor 1', async () => {
    const classifier = classifierOf(task.config.model, { classes: 4 })
    const { program } = multiLabelProgram({ classifier, size: 32 })
    const loaded = await engine.load(program)
    const images: HostTensor = { dtype: 'float32', shape: [1, 3, 32, 32], data: new Float32Array(3072) }
    const data = BigInt64Array.of(0n, 1n, 2n, 0n)
    const feeds = new Map([
      ['images', images],
      ['targets', { dtype: 'int64', shape: [1, 4], data } satisfies HostTensor],
    ])
    await expect(loaded.run(feeds)).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringContaining('expected targets that are 0 or 1, but got 2'),
      where: 'tensor targets[0, 2]',
    })
    await loaded.release()
  })

  it('chooses thresholds on val, where there is one, and reports progress over both splits', async () => {
    const evaluation = task.evaluation([engine])
    const seen: string[] = []
    const onProgress = (done: number, total: number) => void seen.push(`${done}/${total}`)
    const test = (await evaluation.run('test', { onProgress }))!
    expect(seen).toEqual(['8/22', '10/22', '18/22', '22/22'])
    const val = (await evaluation.run('val'))!
    expect([test.thresholdsFrom, val.thresholdsFrom]).toEqual(['val', 'val'])
    expect(test.classes.map(({ threshold }) => threshold)).toEqual(val.classes.map(one => one.threshold))
    expect(test.images).toBe(10)
    expect(test.items).toHaveLength(task.data.test.targets.reduce((total, target) => total + target, 0))
    const { val: _, ...data } = task.data
    Object.assign(evaluation, { data })
    expect((await evaluation.run('test'))!.thresholdsFrom).toBe('test')
    await evaluation.release()
    const signal = AbortSignal.abort()
    expect(await task.evaluation([engine]).run('val', { signal })).toBeUndefined()
  })

  it('evaluates many variants by one program as each by its own', async () => {
    const { trained, variants } = await task.withVariants(engine, 'val')
    expect(variants).toHaveLength(2 * 3 + 3 + 1 + 2 * 2 + 2 + 1)
    const plain = (await task.evaluation([engine]).run('val'))!
    expect(trained.measures).toEqual(plain.measures)
    expect(trained.probabilities).toEqual(plain.probabilities)
    const different = new Set<number>()
    for (const [i, { variant, measures, predictions }] of variants.entries()) {
      expect(predictions).toBeNull()
      different.add(measures.mAP!)
      // A program is slow to make; of both layers and each kind some will do.
      if (i % 4 !== 0) continue
      const evaluation = task.evaluation([engine], overridesOf(variant, task.mixtures))
      const own = (await evaluation.run('val'))!
      await evaluation.release()
      for (const name of ['mAP', 'f1'])
        expect(measures[name], variantName(variant)).toBeCloseTo(own.measures[name]!, 6)
    }
    expect(different.size).toBeGreaterThan(3)
    expect((await task.withVariants(engine, 'val', { variants: [] })).variants).toEqual([])
  })

  it('refuses data from which nothing can be learned', async () => {
    const write = (name: string, text: string): object => {
      writeFileSync(join(folder, name), text)
      return { data: { name: 'multi-label', directory: join(folder, name) } }
    }
    const open = async (fields: object) => (await openMultiLabelTask(configOf(fields))).checkTrainable()
    const lines = 'path,cat,split\nimages/train-0.png,0,train\n'
    await expect(open(write('one.csv', lines))).rejects.toThrow('to train and to test on, but got 1 and 0')
    await expect(open(write('none.csv', `${lines}images/val-0.png,1,val\n`))).rejects.toThrow(
      'none of the 1 training images has one',
    )
  })
})
