import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../src/base/random.ts'
import { readMetadata } from '../src/export/index.ts'
import { readMetrics } from '../src/run/metrics-log.ts'
import { evaluateRun } from '../src/tasks/evaluate-run.ts'
import { fingerprint, metricLines, moiety, newFolder, start, untilLines, writeRecipe } from './tiny.ts'
import { tinyMultiLabel, writeTinyMultiLabel } from './tiny-multi-label.ts'

/** Every command with a multi-label run: none of them knows the task. */
const folder = newFolder()
const data = join(folder, 'data')
const run = join(folder, 'run')
let recipe = ''

async function run0(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await moiety(...words)
  expect(code, stderr).toBe(0)
  return stdout
}

beforeAll(async () => {
  await writeTinyMultiLabel(data)
  recipe = writeRecipe(folder, tinyMultiLabel(data))
  expect(await run0('train', recipe, '--out', run)).toMatch(
    /On validation images {3}mAP 0\.\d{3} {3}F1 0\.\d{3}/,
  )
}, 120_000)

describe('a multi-label run', () => {
  it('learns: chance would be the part of the images that show a class, 0.3 to 0.6', () => {
    const { measures, layers } = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'))
    expect(measures.mAP).toBeGreaterThan(0.8)
    expect(measures.f1).toBeGreaterThan(0.75)
    expect(layers).toMatchObject([{ name: 'layer4' }])
    const lines = readMetrics(join(run, 'metrics.jsonl'))
    expect(lines.filter(({ kind, split }) => kind === 'epoch' && split === 'val')).toHaveLength(6)
    for (const line of lines.filter(({ kind }) => kind === 'step')) expect(line.f1).toBeTypeOf('number')
  })

  it('ends, after kills at random moments, with the bits of an uninterrupted one', async () => {
    const killed = join(folder, 'killed')
    const source = draws(12, 'kills')
    for (let kill = 0; kill < 2; kill++) {
      const words = ['train', recipe, '--set', 'training.checkpointEvery.steps=2', '--out', killed]
      const { child, ended } = start([...words, ...(kill === 0 ? [] : ['--resume'])])
      await untilLines(killed, metricLines(killed) + 3, child)
      await new Promise(resolve => setTimeout(resolve, source.between(0, 60)))
      child.kill('SIGKILL')
      await ended
    }
    await run0('train', '--resume', '--out', killed)
    const { files, metrics } = fingerprint(killed)
    expect(metrics).toEqual(fingerprint(run).metrics)
    expect(files['model.safetensors']).toBe(fingerprint(run).files['model.safetensors'])
  }, 120_000)

  it('goes on with the images that it began with alone', async () => {
    const [other, moved] = [join(folder, 'other'), join(folder, 'moved')]
    cpSync(run, moved, { recursive: true })
    await writeTinyMultiLabel(other, { train: 95, val: 48, test: 48 })
    const more = ['--resume', '--set', 'training.epochs=7', '--out', moved]
    const { code, stderr } = await moiety('train', ...more, '--data', other)
    expect([code, stderr]).toEqual([3, expect.stringContaining('the run began with 96 images to train')])
    await run0('train', ...more, '--data', join(data, 'labels.csv'))
  })

  it('divides batches between engines', async () => {
    const divided = join(folder, 'divided')
    const keys = ['training.replicas=2', 'training.epochs=1'].flatMap(key => ['--set', key])
    await run0('train', recipe, ...keys, '--out', divided)
    const [first, own] = [run, divided].map(
      one => readMetrics(join(one, 'metrics.jsonl')).find(({ kind }) => kind === 'step')!,
    )
    expect(Number(own!.loss) / Number(first!.loss)).toBeCloseTo(1, 0)
  })

  it('is evaluated, with its classes, whatever the experts', async () => {
    const text = await run0('eval', run, '--split', 'test')
    for (const part of ['On held-out images   mAP', 'on the val split', 'threshold', 'triangle', 'layer4'])
      expect(text).toContain(part)
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    const json = async (...words: string[]): Promise<unknown> =>
      JSON.parse(await run0('eval', run, '--json', ...words))
    const { tables: _, ...whole } = await evaluateRun({ run })
    expect(await json('--data', data)).toEqual(JSON.parse(JSON.stringify(whole)))
    expect(await json('--only', '1', '--split', 'train')).toMatchObject({
      task: 'multi-label',
      split: 'train',
      images: 96,
      routing: 'expert 1 alone',
      layers: [{ activation: [0, 1, 0, 0] }],
      details: { thresholdsFrom: 'val', classes: [{ name: 'bar' }, { name: 'disc' }, {}, {}] },
    })
    const refused = await moiety('eval', run, '--data', 'sample')
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('those of sample have one class each'),
    ])
  })

  it('is exported; the sigmoid of a logit is a probability', async () => {
    expect(await run0('export', run, '--safetensors')).toContain('its sigmoid is the probability')
    expect(readMetadata(readFileSync(join(run, 'model.onnx')))).toMatchObject({
      task: 'multi-label-image-classification',
      classes: ['bar', 'disc', 'square', 'triangle'],
      measures: { mAP: expect.any(Number), f1: expect.any(Number) },
    })
    const card = readFileSync(join(run, 'hub', 'README.md'), 'utf8')
    expect(card).toContain('pipeline_tag: image-classification')
    expect(card).toMatch(/On held-out images: mAP 0\.\d{3}, f1 0\.\d{3}\./)
  })

  it('is swept, and its measures laid out', async () => {
    const [sweep, out] = [join(folder, 'sweep.json'), join(folder, 'sweep')]
    const grid = { 'model.moe.0.constraint.name': ['importance', 'kl'] }
    const set = { 'training.epochs': 1 }
    writeSweep(sweep, { name: 'labels', title: 'Labels', recipe: 'recipe.json', grid, set, seeds: [1] })
    await run0('sweep', sweep, '--out', out)
    const table = await run0('table', out)
    expect(table).toContain('mean average precision, %')
    expect(await run0('table', out, '--value', 'f1')).toContain('F1 at probability 0.5, %')
  }, 120_000)
})

function writeSweep(file: string, content: object): void {
  writeFileSync(file, JSON.stringify(content))
}
