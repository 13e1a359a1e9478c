import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainDetectorRun } from '../src/analysis/detection/explain-detector-run.ts'
import { detectorFindings } from '../src/analysis/detection/findings.ts'
import { renderDetectorReport } from '../src/report/index.ts'
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
let plain = ''
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
  explained = await moiety('explain', run, '--permutations', '50')
}, 300_000)

const found = (path: string) =>
  detectorFindings.parse(JSON.parse(readFileSync(join(path, 'report.json'), 'utf8')))
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
    expect(report.data).toMatchObject({ images: 4, perSize: [4, 2, 2], sizes: [32, 96] })
    for (const layer of report.layers) {
      expect(layer.share.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6)
      expect(layer.sizes.objects).toEqual([4, 2, 2])
      for (const row of layer.sizes.by.weight) expect(row.reduce((a, b) => a! + b!, 0)).toBeCloseTo(1, 5)
      expect(layer.sizes.top.flat().reduce((a, b) => a + b, 0)).toBe(8)
      expect(layer.variants.byK[layer.k - 1], 'K as trained').toEqual(report.stats)
      expect([layer.variants.single.length, layer.variants.without.length]).toEqual([
        layer.count,
        layer.count,
      ])
      expect(layer.levels === null).toBe(layer.inputs === 1)
      expect(layer.sizes.tests?.information.permutations).toBe(50)
      expect(stdout).toContain(layer.name)
    }
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
    expect(stderr).toMatch(/of \d+, \d+ s left/)
    const page = readFileSync(join(run, 'report.html'), 'utf8')
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
    expect(page).not.toContain(folder)
    const routing = await rowsOf(join(run, 'routing.parquet'))
    expect(routing).toHaveLength(4 * (1 + 5 + 5))
    expect(Object.keys(routing[0]!)).toEqual(['image', 'layer', 'level', 'weights', 'chosen'])
    const objects = await rowsOf(join(run, 'objects.parquet'))
    expect(objects).toHaveLength(8)
    expect(objects.filter(({ size }) => size === 'small')).toHaveLength(4)
  })

  it('finds the same each time, and what moiety eval finds', async () => {
    // The command was the first, in a process of its own.
    const { findings, scenes } = (await explainDetectorRun({ run, permutations: 50 }))!
    const written = (name: string) => readFileSync(join(run, name), 'utf8')
    expect(`${JSON.stringify(findings)}\n`).toBe(written('report.json'))
    expect(renderDetectorReport(findings, scenes)).toBe(written('report.html'))
    const { stdout } = await moiety('eval', run, '--json')
    expect((JSON.parse(stdout) as { measures: unknown }).measures).toEqual(findings.stats)
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
    expect(detectorFindings.parse(JSON.parse(stdout)).kind).toBe('detector')
  })

  it.each([
    [['--against', plain], 'is for classifiers, and the run is a detector'],
    [['--charts', 'somewhere'], 'is for classifiers, and the run is a detector'],
    [['--data', 'sample'], 'a detector learns from boxes, and sample has none'],
  ])('refuses %j', async (words, message) => {
    const [flag = '', value = ''] = words
    const { code, stdout, stderr } = await moiety('explain', run, flag, value === '' ? run : value)
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

  it('is not taken for a classifier by moiety compare', async () => {
    // Refused by its configuration: the classifier beside it need not be trained.
    const classifier = writeRun(join(folder, 'classifier'), smallConfig([]))
    const { code, stderr } = await moiety('compare', run, classifier, '--out', join(folder, 'c.html'))
    expect(code).toBe(2)
    expect(stderr).toContain('help: ')
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
    expect(await page.locator('svg.scene').count()).toBe(3 * 4)
    const text = await page.locator('body').innerText()
    for (const title of ['Who is given which sizes', 'Levels by experts', 'What is found with other experts'])
      expect(text.toLowerCase()).toContain(title.toLowerCase())
    const label = await page.locator('svg.scene text').first().textContent()
    expect(label).toMatch(/^\d (square|disc)$/)
    expect(problems).toEqual([])
    await page.close()
  })
})
