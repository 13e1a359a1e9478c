import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { parseHTML } from 'linkedom'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Findings, findings, groupingOf } from '../src/analysis/findings.ts'
import { draws } from '../src/base/random.ts'
import { readMetadata } from '../src/export/index.ts'
import { readMetrics } from '../src/run/metrics-log.ts'
import { evaluateRun } from '../src/tasks/evaluate-run.ts'
import type { MultiLabelResult } from '../src/tasks/multi-label/multi-label-result.ts'
import { engineOf, openTrainedRun } from '../src/tasks/open-run.ts'
import { wrongIn } from './against-schema.ts'
import { fingerprint, moiety, newFolder, signalledAt, writeRecipe } from './tiny.ts'
import { tinyMultiLabel, writeTinyMultiLabel } from './tiny-multi-label.ts'

/** Every command with a multi-label run. */
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
})

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
      const step = 7 * kill + 3 + source.below(7)
      const all = [...words, ...(kill === 0 ? [] : ['--resume'])]
      expect((await signalledAt(step, 'SIGKILL', all, { operations: source.below(30) })).signal).toBe(
        'SIGKILL',
      )
    }
    await run0('train', '--resume', '--out', killed)
    const { files, metrics } = fingerprint(killed)
    expect(metrics).toEqual(fingerprint(run).metrics)
    expect(files['model.safetensors']).toBe(fingerprint(run).files['model.safetensors'])
  })

  it('continues with the images that it began with alone', async () => {
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
      routing: 'single expert 1',
      layers: [{ activation: [0, 1, 0, 0] }],
      details: { thresholdsFrom: 'val', classes: [{ name: 'bar' }, { name: 'disc' }, {}, {}] },
    })
    const refused = await moiety('eval', run, '--data', 'sample')
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('those of sample have one class each'),
    ])
  })

  it('is explained: classes, experts and images, compared with another run, with charts', async () => {
    const [other, charts] = [join(folder, 'another'), join(folder, 'charts')]
    const keys = ['seed=6', 'training.epochs=1'].flatMap(key => ['--set', key])
    await run0('train', recipe, ...keys, '--out', other)
    const words = ['--against', other, '--charts', charts, '--permutations', '50']
    const text = await run0('explain', run, ...words)
    for (const part of ['bits from the class', 'single expert 0', 'mAP', 'compared with another'])
      expect(text).toContain(part)
    const report: Findings = findings.parse(JSON.parse(readFileSync(join(run, 'report.json'), 'utf8')))
    const evaluated = await evaluated0()
    const { targets, probabilities, classes } = evaluated
    const [count, names] = [evaluated.images, ['bar', 'disc', 'square', 'triangle']]
    expect(report).toMatchObject({
      task: 'multi-label',
      measures: evaluated.measures,
      perClass: { mAP: classes.map(({ averagePrecision }) => averagePrecision) },
      data: { split: 'val', classes: names, perClass: classes.map(({ images }) => images) },
    })
    const extras = report.extras
    if (extras?.task !== 'multi-label') throw new Error('findings of a multi-label network were expected')
    expect(extras.classes.map(({ threshold }) => threshold)).toEqual(classes.map(one => one.threshold))
    expect(extras.chance).toBeCloseTo(
      report.data.perClass.reduce((a, b) => a + b, 0) / names.length / count,
      9,
    )
    const [layer] = report.layers
    expect(groupingOf(layer!, 'class')!.counts).toEqual(report.data.perClass)
    expect(layer!.variants.byK[1]!.measures.mAP, 'K as trained').toBeCloseTo(report.measures.mAP!, 6)
    expect(layer!.variants.byK[1]!.perClass![0]).toBeCloseTo(report.perClass.mAP![0]!, 6)
    expect(layer!.agreement?.against).toBe('another')
    expect(extras.layers[0]!.experts.flatMap(({ gallery }) => gallery).length).toBeGreaterThan(4)
    expect(readdirSync(charts)).toEqual(
      expect.arrayContaining([
        'layer4-captions-84mm.svg',
        'layer4-information-84mm.svg',
        'layer4-map-84mm.pdf',
      ]),
    )
    expect(wrongIn('report', JSON.parse(readFileSync(join(run, 'report.json'), 'utf8')))).toEqual([])
    const page = readFileSync(join(run, 'report.html'), 'utf8').replaceAll(/base64,[\w+/=]+/g, '')
    expect(page).not.toMatch(/NaN|undefined/)
    for (const part of ['Thresholds of the classes', 'What single experts find', 'without one', 'triangle'])
      expect(page).toContain(part)
    const section = parseHTML(page).document.querySelector('#mistakes')!
    const { found, missed } = extras.answers!.mistakes
    const tiles = (id: string) =>
      [...section.querySelectorAll(`[aria-labelledby="${id}-title"] .mistakes li`)].map(
        tile => tile.textContent ?? '',
      )
    for (const [id, words, own] of [
      ['confident', 'finds', found],
      ['confident-missed', 'misses', missed],
    ] as const) {
      expect(tiles(id), id).toHaveLength(own.length)
      for (const [i, text] of tiles(id).entries()) {
        const { label, probability, experts } = own[i]!
        expect(text).toContain(`${words} ${names[label]}, ${(100 * probability).toFixed(1)}`)
        for (const { weight } of experts[0]!) expect(text).toContain(weight.toFixed(2))
      }
    }
    expect(found.length + missed.length).toBeGreaterThan(0)
    const { buffer } = Uint8Array.from(readFileSync(join(run, 'routing.parquet')))
    const rows = await parquetReadObjects({ file: buffer })
    expect(rows.length).toBe(count)
    expect(rows.flatMap(row => wrongIn('routing', row))).toEqual([])
    const above = (at: number) =>
      classes.flatMap(({ threshold }, c) => (probabilities[4 * at + c]! >= threshold ? [c] : []))
    for (const [image, row] of rows.entries())
      expect([row.labels, row.predictions]).toEqual([
        [0, 1, 2, 3].filter(c => targets[4 * image + c] === 1),
        above(image),
      ])
  })

  it('is compared with another', async () => {
    const page = join(folder, 'comparison.html')
    const compared = JSON.parse(await run0('compare', run, join(folder, 'another'), '--json', '--out', page))
    expect(compared).toMatchObject([
      { task: 'multi-label', run: 'run', measures: { mAP: expect.any(Number) } },
      { task: 'multi-label', run: 'another', layers: [{ bits: { class: expect.any(Number) } }] },
    ])
    expect(compared[0].score).toBe(compared[0].measures.mAP)
    expect(readFileSync(page, 'utf8')).toContain('mean average precision')
  })

  it('predicts the labels whose probabilities reach the thresholds of an evaluation', async () => {
    const images = [0, 1, 2, 3].map(i => join(data, 'images', `val-${i}.png`))
    const { probabilities, classes } = await evaluated0()
    const out = ['--out', join(folder, 'prediction.html')]
    const predicted = JSON.parse(await run0('predict', run, ...images, '--json', '--neighbours', '3', ...out))
    expect(predicted).toMatchObject({ task: 'multi-label', settings: { neighbours: 3 } })
    for (const [i, { prediction, routing }] of predicted.images.entries()) {
      const own = classes.map((one, c) => ({ ...one, c, probability: probabilities[4 * i + c]! }))
      const found = own
        .filter(one => one.probability >= one.threshold)
        .sort((a, b) => b.probability - a.probability)
      expect(prediction.labels.map(({ name }: { name: string }) => name)).toEqual(found.map(one => one.name))
      for (const [at, label] of prediction.labels.entries()) {
        expect(label.probability).toBeCloseTo(found[at]!.probability, 5)
        expect([label.threshold, label.class]).toEqual([found[at]!.threshold, found[at]!.c])
      }
      expect(prediction.neighbours).toHaveLength(3)
      expect(routing[0][0].experts).toHaveLength(2)
    }
    const text = await run0('predict', run, images[0]!, '--neighbours', '0', ...out)
    expect(text).toContain(predicted.images[0].prediction.labels[0].name)
    expect(text).toContain('layer4: expert')
    expect(readFileSync(out[1]!, 'utf8')).toContain('highest F1 on held-out images')
    // With one threshold for all, and without neighbours, no data is needed.
    const moved = join(folder, 'without data')
    cpSync(run, moved, { recursive: true })
    const config = readFileSync(join(moved, 'config.json'), 'utf8')
    writeFileSync(join(moved, 'config.json'), config.replace(data, join(folder, 'absent')))
    const alone = await run0(
      ...['predict', moved, images[0]!, '--neighbours', '0', '--score', '0.999', '--json', ...out],
    )
    const [{ prediction }] = JSON.parse(alone).images
    expect(prediction.next).toMatchObject({ threshold: 0.999, name: expect.any(String) })
    const refused = await moiety('predict', run, images[0]!, '--top', '2', ...out)
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('multi-label has score, neighbours, data'),
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
    const file = join(run, 'report.json')
    const report = JSON.parse(readFileSync(file, 'utf8'))
    report.extras.layers[0].experts[2].caption = 'disc: 1.9 × chance'
    writeFileSync(file, JSON.stringify(report))
    await run0('export', run, '--safetensors')
    expect(readFileSync(join(run, 'hub', 'README.md'), 'utf8')).toContain('disc: 1.9 × chance')
  })

  it('is swept, and its measures laid out', async () => {
    const [sweep, out] = [join(folder, 'sweep.json'), join(folder, 'sweep')]
    const grid = { 'model.moe.0.constraint.name': ['importance', 'kl'] }
    const set = { 'training.epochs': 1 }
    writeSweep(sweep, { name: 'labels', title: 'Labels', recipe: 'recipe.json', grid, set, seeds: [1] })
    await run0('sweep', sweep, '--out', out, '--no-trial')
    const table = await run0('table', out)
    expect(table).toContain('mean average precision, %')
    expect(await run0('table', out, '--value', 'f1')).toContain('F1 at probability 0.5, %')
  })
})

/** The run on its val split. */
async function evaluated0(): Promise<MultiLabelResult> {
  const { task, checkpoint } = await openTrainedRun(run)
  const engine = await engineOf({ config: task.config, checkpoint })
  const result = await task.evaluation([engine]).run('val')
  await engine.stop()
  return result as MultiLabelResult
}

function writeSweep(file: string, content: object): void {
  writeFileSync(file, JSON.stringify(content))
}
