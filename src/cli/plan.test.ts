import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { evalOptions } from './eval-run.ts'
import type { TrainFlags } from './flags.ts'
import { planTraining } from './plan.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moiety-plan-'))
})
afterAll(() => rm(folder, { recursive: true }))

const flags = (some: Partial<TrainFlags> = {}): TrainFlags => ({ set: [], with: [], ...some })

async function refusal(act: () => Promise<unknown>): Promise<string> {
  const error: unknown = await act().then(
    () => expect.fail('was accepted'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof MoietyError)) throw error
  return error.describe()
}

/** A folder that looks like a run of the sample recipe. */
async function makeRun(runs: string, name: string): Promise<string> {
  const { config } = await planTraining('sample', flags({ out: join(folder, 'unused') }))
  const run = join(runs, name)
  await mkdir(run, { recursive: true })
  await writeFile(join(run, 'config.json'), JSON.stringify(config))
  await writeFile(join(run, 'environment.json'), JSON.stringify({ recipe: 'sample' }))
  return run
}

describe('planning a training', () => {
  it('takes the sample recipe and a new folder unless told', async () => {
    const runs = join(folder, 'runs')
    const first = await planTraining(undefined, flags(), runs)
    const second = await planTraining(undefined, flags(), runs)
    expect([first.recipe, first.resume, first.config.data.name]).toEqual(['sample', false, 'sample'])
    expect([first.run, second.run]).toEqual([join(runs, 'sample-1'), join(runs, 'sample-2')])
  })

  it('names the folder after what was chosen', async () => {
    const { run } = await planTraining(
      'sample',
      flags({ with: ['constraint=kl'], seed: '7' }),
      join(folder, 'named'),
    )
    expect(run).toBe(join(folder, 'named', 'sample-constraint-kl-seed-7-1'))
  })

  it("takes other programs' names of devices, and short names of what is changed most", async () => {
    const planned = async (some: Partial<TrainFlags>) =>
      (await planTraining('sample', flags({ out: join(folder, 'short'), ...some }))).config
    const { training, optimizer } = await planned({ epochs: '3', lr: '2e-4', batch: '24' })
    expect([training.epochs, training.batch, optimizer.learningRate]).toEqual([3, 24, 2e-4])
    const devices = ['gpu', 'mps', '0', 'cuda:0', 'cpu'].map(
      async device => (await planned({ device })).engine.device,
    )
    expect(await Promise.all(devices)).toEqual(['webgpu', 'webgpu', 'cuda', 'cuda', 'cpu'])
    for (const device of ['1', 'cuda:3', '0,1'])
      expect(await refusal(() => planned({ device }))).toContain('CUDA_VISIBLE_DEVICES=')
    expect(await refusal(() => planned({ size: '64' }))).toContain('the images of sample are 32×32')
    expect(await refusal(() => planned({ epochs: 'ten' }))).toContain('training.epochs')
  })

  it('says where a warm-up keeps its own end beside --lr', async () => {
    const warm = ['schedule={"name":"cosine","warmup":{"epochs":2,"from":1e-5,"to":1e-3}}']
    const { notes } = await planTraining('sample', flags({ out: join(folder, 'w'), lr: '0.01', set: warm }))
    expect(notes).toEqual([expect.stringContaining('--set schedule.warmup.to=0.01')])
  })

  it('puts every flag into the configuration, --set last', async () => {
    const { config } = await planTraining(
      'sample',
      flags({
        out: join(folder, 'x'),
        seed: '7',
        threads: '1',
        device: 'webgpu',
        set: ['seed=8', 'training.epochs=2'],
      }),
    )
    expect([config.seed, config.engine, config.training.epochs]).toEqual([
      8,
      { device: 'webgpu', threads: 1 },
      2,
    ])
  })

  it('resumes the newest run of a recipe', async () => {
    const runs = join(folder, 'resumed')
    for (const name of ['sample-2', 'sample-10', 'sample-constraint-kl-11']) await makeRun(runs, name)
    await mkdir(join(runs, 'sample-12'))
    const plan = await planTraining(undefined, flags({ resume: true }), runs)
    expect([plan.run, plan.resume]).toEqual([join(runs, 'sample-10'), true])
  })

  it('resumes a named run with the configuration it holds', async () => {
    const run = await makeRun(folder, 'mine')
    const plan = await planTraining(undefined, flags({ resume: true, out: run, set: ['training.epochs=99'] }))
    expect([plan.recipe, plan.run, plan.config.training.epochs]).toEqual(['sample', run, 99])
  })

  it('refuses to resume what is not there and to begin where a run is', async () => {
    const run = await makeRun(folder, 'taken')
    expect(await refusal(() => planTraining('sample', flags({ out: run })))).toContain('holds a run already')
    const nothing = flags({ resume: true, out: join(folder, 'nothing') })
    expect(await refusal(() => planTraining('sample', nothing))).toContain('no run to resume')
    expect(
      await refusal(() => planTraining('sample', flags({ resume: true }), join(folder, 'none'))),
    ).toContain('no run to resume')
  })

  it('says what is wrong with the configuration of a run', async () => {
    const run = await makeRun(folder, 'damaged')
    await writeFile(join(run, 'config.json'), '{"seed": 1')
    const resume = flags({ resume: true, out: run })
    expect(await refusal(() => planTraining(undefined, resume))).toContain('is not JSON')
    await writeFile(join(run, 'config.json'), '{"sed": 1}')
    expect(await refusal(() => planTraining(undefined, resume))).toContain('did you mean seed?')
  })

  it('looks into the folder given as data', async () => {
    const images = join(folder, 'images')
    await mkdir(join(images, 'cats'), { recursive: true })
    const { config } = await planTraining('sample', flags({ out: join(folder, 'y'), data: images }))
    expect([config.data.name, config.data.directory]).toEqual(['folder', images])
  })

  it('chooses a recipe for data that comes without one, says why, and lets what is named or set win', async () => {
    const photographs = join(folder, 'photographs')
    for (const name of ['cats', 'dogs']) {
      await mkdir(join(photographs, name), { recursive: true })
      for (let i = 0; i < 5; i++)
        await sharp({ create: { width: 300, height: 200, channels: 3, background: 'teal' } })
          .jpeg()
          .toFile(join(photographs, name, `${i}.jpg`))
    }
    const runs = join(folder, 'chosen')
    const planned = async (name: string | undefined, some: Partial<TrainFlags> = {}) =>
      await planTraining(name, flags({ data: photographs, ...some }), runs)
    const chosen = await planned(undefined)
    expect(chosen.notes).toEqual([
      expect.stringMatching(/^recipe photos, for 8 training images.* 300×200 pixels/),
    ])
    expect(chosen.config).toMatchObject({
      data: { name: 'folder', size: 224 },
      model: { moe: [{ position: 4 }] },
      training: { epochs: 150, batch: 8 },
    })
    expect([chosen.recipe, chosen.run]).toEqual(['photos', join(runs, 'photos-1')])
    // What the run keeps is all that a resume needs.
    await writeFile(join(chosen.run, 'config.json'), JSON.stringify(chosen.config))
    const resumed = await planned(undefined, { resume: true, set: ['training.epochs=200'] })
    expect([resumed.run, resumed.config.data.size, resumed.config.training.epochs]).toEqual([
      chosen.run,
      224,
      200,
    ])
    const set = await planned(undefined, { with: ['network=plain'], size: '64', set: ['training.batch=4'] })
    expect([set.config.data.size, set.config.training.batch, set.config.model.moe]).toEqual([64, 4, []])
    expect((await planned('photos')).config).toEqual(chosen.config)
    const named = await planned('sample')
    expect([named.recipe, named.notes, named.config.data.size]).toEqual(['sample', [], 32])
  })

  it('asks for a folder where the data set needs one, before anything is written', async () => {
    const runs = join(folder, 'untouched')
    expect(await refusal(() => planTraining('cifar100-small', flags(), runs))).toContain(
      'moiety data get cifar100',
    )
    expect(await refusal(() => planTraining('sample', flags({ data: 'folder' }), runs))).toContain(
      '--data DIR',
    )
    await expect(cp(runs, `${runs}-copy`)).rejects.toThrow('ENOENT')
  })

  it('suggests the nearest data set', async () => {
    expect(await refusal(() => planTraining('sample', flags({ data: 'cifar1OO' })))).toContain(
      'did you mean cifar100?',
    )
    expect(await refusal(() => planTraining('sample', flags({ data: './cifar100' })))).toContain('neither')
  })
})

describe('the flags of an evaluation', () => {
  it('become its options', async () => {
    const run = await makeRun(folder, 'evaluated')
    expect(await evalOptions(run, { split: 'train', k: '1', without: '2' })).toEqual({
      run,
      split: 'train',
      k: 1,
      without: 2,
    })
    expect(await evalOptions(run, { split: 'test', only: '0', data: 'sample' })).toEqual({
      run,
      split: 'test',
      only: 0,
      data: { name: 'sample', directory: null },
    })
  })

  it('are refused where they contradict each other or are no numbers', async () => {
    const run = await makeRun(folder, 'refused')
    expect(await refusal(() => evalOptions(run, { split: 'test', only: '1', k: '2' }))).toContain(
      'excludes --k',
    )
    for (const k of ['0', '-1', '1.5', 'two', '1e3', ''])
      expect(await refusal(() => evalOptions(run, { split: 'test', k }))).toContain('whole number from 1')
    expect(await refusal(() => evalOptions(run, { split: 'tset' }))).toContain('train, val or test')
    expect(await refusal(() => evalOptions(folder, { split: 'test' }))).toContain('not a run')
  })
})
