import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { parseHTML } from 'linkedom'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ComparedRun } from '../src/analysis/comparison.ts'
import { explainRun } from '../src/analysis/explain-run.ts'
import { findings, groupingOf } from '../src/analysis/findings.ts'
import { renderReport } from '../src/report/index.ts'
import { wrongIn } from './against-schema.ts'
import { type Ended, moiety, newFolder, start, writeRecipe } from './tiny.ts'
import { tinyDetector, writeTinyCoco } from './tiny-detection.ts'
import { smallConfig, writeRun } from './untrained-run.ts'

/** What a user gets from explaining a detector, and meets when something is wrong. */
const folder = newFolder()
const data = join(folder, 'data')

async function trained(name: string, config: object): Promise<string> {
  const place = join(folder, `recipe of ${name}`)
  mkdirSync(place)
  const run = join(folder, name)
  const { code, stderr } = await moiety('train', writeRecipe(place, config), '--out', run)
  expect(code, stderr).toBe(0)
  return run
}

let run = ''
const other = join(folder, 'other')
const charts = join(folder, 'charts')
let plain = ''
// Refused by its configuration: it need not be trained.
const classifier = writeRun(join(folder, 'classifier'), smallConfig([]))
let explained: Ended
beforeAll(async () => {
  // One batch: another form would take programs of its own, which are slow to make.
  await writeTinyCoco(data, { test: 4 })
  const config = tinyDetector(data)
  const backbone = { position: 4, style: 'resblock', experts: 2, k: 1, weighting: 'softmax-before-top-k' }
  run = await trained('run', {
    ...config,
    model: { ...(config.model as object), moe: [backbone], initialisation: 'fan-out' },
  })
  plain = await trained('plain', tinyDetector(data, null))
  cpSync(run, other, { recursive: true })
  explained = await moiety('explain', run, '--permutations', '50', '--against', other, '--charts', charts)
})

const found = (path: string) => findings.parse(JSON.parse(readFileSync(join(path, 'report.json'), 'utf8')))
const rowsOf = async (file: string) => {
  const { buffer } = Uint8Array.from(readFileSync(file))
  return await parquetReadObjects({ file: buffer })
}

describe('moiety explain of a detector', () => {
  it('writes findings, page and tables, and says in words what it found', async () => {
    const { code, stdout, stderr } = explained
    expect(code, stderr).toBe(0)
    const report = found(run)
    expect(report.layers.map(({ place, count, inputs }) => [place, count, inputs])).toEqual([
      [4, 2, 1],
      ['classification', 3, 5],
      ['regression', 3, 5],
    ])
    expect(report).toMatchObject({
      task: 'detection',
      data: { images: 4 },
      extras: { perSize: [4, 2, 2], sizes: [32, 96] },
    })
    for (const layer of report.layers) {
      expect(layer.share.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6)
      const sizes = groupingOf(layer, 'size')!
      expect(sizes.counts).toEqual([4, 2, 2])
      for (const row of sizes.affinity.weight) expect(row.reduce((a, b) => a! + b!, 0)).toBeCloseTo(1, 5)
      expect(sizes.top.flat().reduce((a, b) => a + b, 0)).toBe(8)
      expect(layer.variants.byK[layer.k - 1]!.measures, 'K as trained').toEqual(report.measures)
      expect([layer.variants.single.length, layer.variants.without.length]).toEqual([
        layer.count,
        layer.count,
      ])
      expect(groupingOf(layer, 'level') === undefined).toBe(layer.inputs === 1)
      expect(sizes.withinLevel === null).toBe(layer.inputs === 1)
      expect(sizes.information?.permutations).toBe(50)
      expect(stdout).toContain(layer.name)
    }
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
    expect(stderr).toMatch(/of \d+, \d+ s left/)
    const page = readFileSync(join(run, 'report.html'), 'utf8')
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
    expect(page).not.toContain(folder)
    const routing = await rowsOf(join(run, 'routing.parquet'))
    expect(routing).toHaveLength(4 * (1 + 5 + 5))
    expect(Object.keys(routing[0]!)).toEqual(['image', 'layer', 'level', 'logits', 'weights', 'chosen'])
    expect(routing.flatMap(row => wrongIn('routing', row))).toEqual([])
    const objects = await rowsOf(join(run, 'objects.parquet'))
    expect(objects).toHaveLength(8)
    expect(objects.filter(({ size }) => size === 'small')).toHaveLength(4)
  })

  it('finds the same each time, and what moiety eval finds', async () => {
    // The command was the first, in a process of its own.
    const { findings: again, pictures } = await explainRun({ run, against: other, permutations: 50 })
    const written = (name: string) => readFileSync(join(run, name), 'utf8')
    expect(`${JSON.stringify(again)}\n`).toBe(written('report.json'))
    expect(renderReport(again, pictures)).toBe(written('report.html'))
    const { stdout } = await moiety('eval', run, '--json')
    expect((JSON.parse(stdout) as { measures: unknown }).measures).toEqual(again.measures)
    // Missed objects on the page: a dashed box and a line of words for each. The tiny detector misses some in every image.
    if (again.extras?.task !== 'detection') throw new Error('findings of a detector were expected')
    const answers = again.extras.answers!
    const sectionOf = (page: string) => parseHTML(page).document.querySelector('#mistakes')!
    const section = sectionOf(written('report.html'))
    const { missed } = answers
    expect(missed.total).toBeGreaterThan(0)
    expect(section.querySelectorAll('.scenes > li')).toHaveLength(
      new Set(missed.examples.map(({ image }) => image)).size,
    )
    expect(section.querySelectorAll('.scenes rect.missed')).toHaveLength(missed.total)
    expect(section.querySelectorAll('.misses li:not(.muted)')).toHaveLength(missed.total)
    // And the table of what is found from a score on, of numbers made up: nothing it finds is right.
    const row = { objects: 8, detections: 5, right: 2, precision: 0.4, recall: 0.25, f1: 4 / 13 }
    const none = { objects: 0, detections: 0, right: 0, precision: null, recall: null, f1: null }
    const classes = again.data.classes.map((_, c) => ({ id: c + 1, ...(c === 0 ? row : none) }))
    const better = { ...answers, score: 0.37, atScore: { all: row, classes } }
    const page = sectionOf(renderReport({ ...again, extras: { ...again.extras, answers: better } }, pictures))
    const rows = [...page.querySelectorAll('[aria-labelledby=found-title] tbody tr')].map(one =>
      [...one.querySelectorAll('th, td')].map(cell => cell.textContent!.trim()),
    )
    const numbers = ['8', '5', '0.400', '0.250', '0.308']
    expect(rows[0]).toEqual(['all together', ...numbers, String(missed.total)])
    expect(rows[1]!.slice(1)).toEqual([...numbers, String(missed.perClass[0])])
    expect(rows[2]!.slice(1, 6)).toEqual(['0', '0', '–', '–', '–'])
    expect(page.textContent).toContain('with a score of at least 0.37')
    expect(section.textContent).toContain('at an IoU of 0.50 by any detection')
  })

  it('has of a detector without a mixture what it finds, and no more', async () => {
    const out = join(folder, 'plain page')
    const { code, stdout } = await moiety('explain', plain, '--out', out, '--split', 'train')
    expect(code).toBe(0)
    expect(stdout).toContain('The network has no mixture of experts')
    expect(found(out)).toMatchObject({ layers: [], data: { split: 'train', images: 12 } })
    const page = readFileSync(join(out, 'report.html'), 'utf8')
    expect(page).toContain('What is found in')
    expect(page).not.toContain('Levels by experts')
  })

  it('prints JSON alone on stdout', async () => {
    const { code, stdout } = await moiety('explain', plain, '--json', '--out', join(folder, 'x'))
    expect(code).toBe(0)
    expect(findings.parse(JSON.parse(stdout)).task).toBe('detection')
  })

  it.each([
    [() => ['--against', plain], 'has no mixture of experts at a position where this one has one'],
    [() => ['--against', classifier], 'expected a run of the task detection'],
    [() => ['--data', 'sample'], 'a detector learns from boxes, and sample has none'],
  ])('refuses %o', async (words, message) => {
    const { code, stdout, stderr } = await moiety('explain', run, ...words())
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  it('ends cleanly on SIGTERM and leaves the older files as they were', async () => {
    const out = join(folder, 'interrupted')
    mkdirSync(out)
    writeFileSync(join(out, 'report.json'), 'older')
    const { child, ended } = start(['explain', run, '--out', out, '--permutations', '100000'])
    let asked = false
    child.stderr!.on('data', (text: string) => {
      // A second signal would end it at once.
      if (!asked && text.includes('permuting')) asked = child.kill('SIGTERM')
    })
    const { signal, stderr } = await ended
    expect(signal, stderr).toBe('SIGTERM')
    expect(readdirSync(out)).toEqual(['report.json'])
    expect(readFileSync(join(out, 'report.json'), 'utf8')).toBe('older')
  })

  it('matches its experts to those of another run', () => {
    for (const { agreement, count } of found(run).layers) {
      expect(agreement).toMatchObject({ against: 'other' })
      expect(agreement!.pairs).toHaveLength(count)
      // The same network: an expert with a preference has one there that is like it.
      for (const { similarity } of agreement!.pairs)
        if (similarity !== null) expect(similarity).toBeCloseTo(1, 6)
    }
    expect(explained.stdout).toContain('compared with other')
  })

  it('writes a report as its schema says', () => {
    expect(wrongIn('report', JSON.parse(readFileSync(join(run, 'report.json'), 'utf8')))).toEqual([])
  })

  it('writes its charts for documents on request', () => {
    const files = readdirSync(charts, { recursive: true, encoding: 'utf8' })
    for (const name of ['layer4-sizes', 'layer4-areas', 'layer4-information', 'layer4-training'])
      expect(files).toContain(`${name}-84mm.svg`)
    for (const name of ['precision-recall', 'missed-objects']) expect(files).toContain(`${name}-174mm.pdf`)
    expect(files.filter(name => name.endsWith('levels-84mm.svg'))).toHaveLength(2)
    for (const name of files.filter(one => one.endsWith('.svg')))
      expect(readFileSync(join(charts, name), 'utf8'), name).not.toMatch(/NaN|undefined|var\(--/)
  })

  it('is compared with other detectors by AP, and not with a classifier', async () => {
    const out = join(folder, 'c.html')
    const { code, stdout, stderr } = await moiety('compare', run, plain, '--json', '--out', out)
    expect(code, stderr).toBe(0)
    const [first, second] = JSON.parse(stdout) as [ComparedRun, ComparedRun]
    expect([first.task, first.score]).toEqual(['detection', found(run).measures.AP])
    expect(Object.keys(first.layers[1]!.bits)).toEqual(expect.arrayContaining(['class', 'level', 'size']))
    expect(second.layers).toEqual([])
    const page = readFileSync(out, 'utf8')
    expect(page).toContain('Specialization by size and AP')
    expect(page).not.toMatch(/NaN|undefined|top-1/)
    const refused = await moiety('compare', run, classifier, '--out', out)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('expected runs of one task')
  })
})

const chromiumFile =
  process.env.CHROMIUM ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap(place => ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(place, name)))
    .find(file => existsSync(file))

describe.skipIf(chromiumFile === undefined)('the page of a detector in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumFile!, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
  })

  it.each([1280, 390])('fits a screen of %d pixels, and shows scenes with numbered boxes', async width => {
    const page = await browser.newPage({ viewport: { width, height: 900 } })
    const problems: string[] = []
    page.on('pageerror', error => problems.push(String(error)))
    page.on('console', message => problems.push(message.text()))
    await page.goto(`file://${run}/report.html`)
    expect(
      await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
    ).toBe(0)
    // Scenes of each layer; those with missed objects have a section of their own.
    expect(await page.locator('section.layer svg.scene').count()).toBe(3 * 4)
    const text = await page.locator('body').innerText()
    for (const title of ['Sizes by experts', 'Levels by experts', 'Results with other experts'])
      expect(text.toLowerCase()).toContain(title.toLowerCase())
    const label = await page.locator('svg.scene text').first().textContent()
    expect(label).toMatch(/^\d (square|disc)$/)
    expect(problems).toEqual([])
    await page.close()
  })
})
