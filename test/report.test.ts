import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ComparedRun } from '../src/analysis/comparison.ts'
import { comparedRun } from '../src/analysis/comparison.ts'
import type { ClassPrediction, PredictedImage, Predictions } from '../src/predict/index.ts'
import { renderComparison, renderPredictions, renderReport } from '../src/report/index.ts'
import { renderSweep } from '../src/sweep/sweep-page.ts'
import { cifar100Classes } from './cifar100-names.ts'
import { type Synthetic, syntheticFindings } from './synthetic-findings.ts'
import { withScenes } from './synthetic-pictures.ts'
import { syntheticSweep } from './synthetic-sweep.ts'

/**
 * `report.html` in a real browser, opened from disk. Where Chromium is, PATH or the environment variable CHROMIUM says; without
 * one these tests are skipped, which their report says. With SHOTS=folder each page that was looked at is kept there as
 * a picture.
 */
const executable =
  process.env.CHROMIUM ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap(folder => ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(folder, name)))
    .find(file => existsSync(file))
const found = executable !== undefined
const title = found
  ? 'the report in a browser'
  : 'the report in a browser (skipped: no Chromium in PATH or CHROMIUM)'

const layer = { name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }
const cifar = { ...cifar100Classes(), imagesPerClass: 4, gallery: 6 }
const pages = {
  two: {
    ...cifar,
    layers: [{ ...layer, name: 'layer3', position: 3, sharpness: 0.4 }, layer],
    against: true,
  },
  sixteen: { ...cifar, without: [3, 50], layers: [{ ...layer, experts: 16, k: 4, dead: [5] }] },
  plain: { ...cifar, layers: [] },
  names: {
    classes: ['<b>bold</b>', 'x'.repeat(300), 'حصان', '🐬'.repeat(40), 'two  words', '"quoted"'],
    superclasses: ['y'.repeat(200), 'שם'],
    superclassOf: [0, 0, 0, 1, 1, 1],
    imagesPerClass: 30,
    gallery: 4,
    layers: [layer],
  },
} as const satisfies Record<string, Synthetic>
const names = ['two', 'sixteen', 'plain', 'names'] as const satisfies readonly (keyof typeof pages)[]

/** Text whose contrast to what is behind it is less than 4.5, and by how much; run in the page. */
const poorContrast = `(() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([r, g, b]) => [r, g, b]
    .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor)
      if (colour.length === 3 || colour[3] === 1) return colour
    }
    return [255, 255, 255]
  }
  const poor = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.data.trim() === '' || element.closest('svg, script, .hidden-text')) continue
    if (!element.checkVisibility({ visibilityProperty: true })) continue
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (contrast < 4.5) poor.push(contrast.toFixed(2) + ' ' + walker.currentNode.data.trim().slice(0, 40))
  }
  return poor
})()`

/** How much the page is wider than the window, and what stands out of it though nothing scrolls there. */
const overflow = `(() => {
  const width = document.documentElement.clientWidth
  const out = [...document.querySelectorAll('body *')].filter(element => {
    if (element.closest('.chart, .scroll, .wide-table, .panel, .defs, .hidden-text, .skip, [popover], .route, .contents')) return false
    return element.checkVisibility() && element.getBoundingClientRect().right > width + 1
  })
  return {
    wider: document.documentElement.scrollWidth - width,
    out: out.slice(0, 5).map(element => element.outerHTML.slice(0, 120)),
  }
})()`

/** Every control that is to be seen, in order; numbered so that it is known again. */
const controls = `(() => {
  const all = [...document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')]
    .filter(element => element.checkVisibility() && !element.closest('[popover]'))
  for (const [i, element] of all.entries()) element.dataset.order = i
  return all.length
})()`

/** Runs of every kind of constraint, and one without experts. */
function syntheticRuns(): ComparedRun[] {
  const one = (made: Synthetic, name: string, constraint: string): ComparedRun => {
    const { findings } = syntheticFindings(made)
    const layers = findings.layers.map(found => ({ ...found, constraint }))
    return comparedRun({ ...findings, run: { ...findings.run, name }, layers }, 1234)
  }
  return [
    one(pages.plain, 'plain', 'none'),
    ...['none', 'importance', 'relative', 'loss-free'].map(name => one(pages.two, name, name)),
    one(pages.names, `${'long'.repeat(30)}<b>`, 'kl'),
  ]
}

/** Two images with names that try to be something else, one with neighbours that other experts computed. */
async function syntheticPredictions(): Promise<{
  predictions: Predictions<ClassPrediction>
  pictures: Buffer[]
}> {
  const made = syntheticFindings(pages.two)
  const [first, second, ...others] = await withScenes(made.pictures, pages.two.superclassOf)
  const predicted = (path: string, sameRoute: boolean): PredictedImage<ClassPrediction> => ({
    ...{ path, width: 64, height: 48, input: { width: 32, height: 32 } },
    prediction: {
      classes: pages.names.classes.map((name, i) => ({ class: i, name, probability: 1 / (i + 2) })),
      neighbours: others.slice(0, 8).map((other, i) => ({
        image: other.image,
        name: pages.names.classes[i % 6]!,
        similarity: 0.99 - i / 100,
        sameRoute: sameRoute || i < 4,
        png: i === 7 ? 'https://elsewhere/picture.png' : other.png,
      })),
    },
    routing: [
      [{ experts: [{ expert: 1, weight: 1 }], logits: [0, 1] }],
      [
        {
          experts: [
            { expert: 17, weight: 0.75 },
            { expert: 0, weight: 0.25 },
          ],
          logits: [2, 1],
        },
      ],
    ],
  })
  const png = (uri: string) => Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64')
  const none = predicted('none.png', true)
  return {
    predictions: {
      ...{
        run: '<run>',
        task: 'classification',
        step: 12,
        checkpoint: 'step 12',
        settings: { top: 5, neighbours: 8 },
      },
      layers: [
        { name: 'layer3', experts: 4, inputs: 1 },
        { name: 'layer4', experts: 18, inputs: 1 },
      ],
      skipped: [],
      images: [
        predicted('a <picture>.png', true),
        predicted(`${'folder/'.repeat(20)}b.jpg`, false),
        { ...none, prediction: { ...none.prediction, neighbours: [] } },
      ],
    },
    pictures: [png(first!.png), png(second!.png)],
  }
}

describe.skipIf(!found)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-report-'))
  const file = (name: string): string => join(folder, `${name}.html`)
  let browser: Browser

  beforeAll(async () => {
    for (const name of names) {
      const made: Synthetic = pages[name]
      const { findings, pictures } = syntheticFindings(made)
      writeFileSync(
        file(name),
        renderReport(findings, {
          task: 'classification',
          images: await withScenes(pictures, made.superclassOf),
        }),
      )
    }
    const { predictions, pictures } = await syntheticPredictions()
    writeFileSync(file('prediction'), renderPredictions(predictions, pictures))
    writeFileSync(file('comparison'), renderComparison(syntheticRuns()))
    writeFileSync(file('sweep'), renderSweep(syntheticSweep()))
    browser = await chromium.launch({ executablePath: executable!, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The page as it is seen, with all that it asked for and complained of. */
  async function opened(
    name: string,
    options: BrowserContextOptions = {},
  ): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext({ offline: true, ...options })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`))
    page.on('pageerror', error => complaints.push(`error: ${error.message}`))
    page.on('request', request => {
      const own = request.url() === pathToFileURL(file(name)).href || request.url().startsWith('data:')
      if (!own) complaints.push(`request: ${request.url()}`)
    })
    await page.goto(pathToFileURL(file(name)).href)
    return { page, complaints }
  }

  const widths = [360, 800, 1440] as const
  const schemes = ['light', 'dark'] as const

  it.each([...names, 'prediction', 'comparison', 'sweep'])(
    '%s at each width, light and dark: nothing is asked for, nothing overflows, all text is read',
    async name => {
      const { page, complaints } = await opened(name)
      for (const colorScheme of schemes) {
        // Without motion no colour is half-way to its next.
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        for (const width of widths) {
          await page.setViewportSize({ width, height: 900 })
          const view = `${name} at ${width} pixels, ${colorScheme}`
          expect(await page.evaluate(overflow), view).toEqual({ wider: 0, out: [] })
          // No text is seen at the width between alone.
          if (width !== 800) expect(await page.evaluate(poorContrast), view).toEqual([])
          await kept(page, `${name}-${width}-${colorScheme}`)
        }
      }
      expect(complaints, name).toEqual([])
      await page.context().close()
    },
  )

  it('shows an image’s alternatives by Enter, closes them by Escape and goes back to the image', async () => {
    const { page, complaints } = await opened('two', { viewport: { width: 800, height: 900 } })
    const tile = page.locator('.gallery button').nth(1)
    const target = page.locator(`#${await tile.getAttribute('popovertarget')}`)
    await tile.focus()
    expect(await target.isVisible()).toBe(false)
    await page.keyboard.press('Enter')
    expect(await target.isVisible()).toBe(true)
    expect(await target.getByRole('table').count()).toBe(2)
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Close')
    expect(await page.evaluate(poorContrast)).toEqual([])
    await kept(page, 'alternatives')
    await page.keyboard.press('Escape')
    expect(await target.isVisible()).toBe(false)
    expect(
      await page.evaluate("document.activeElement === document.querySelectorAll('.gallery button')[1]"),
    ).toBe(true)
    await page.keyboard.press('Space')
    expect(await target.isVisible()).toBe(true)
    await page.keyboard.press('Enter')
    expect(await target.isVisible()).toBe(false)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  it('has alternatives that fit a telephone, in both themes', async () => {
    for (const colorScheme of schemes) {
      const { page } = await opened('two', { viewport: { width: 360, height: 700 }, colorScheme })
      await page.locator('.gallery button').first().press('Enter')
      const popover = page.locator(':popover-open')
      const box = await popover.boundingBox()
      expect(box?.x).toBeGreaterThanOrEqual(0)
      expect((box?.x ?? 0) + (box?.width ?? 999)).toBeLessThanOrEqual(360)
      const wider =
        "(popover => popover.scrollWidth - popover.clientWidth)(document.querySelector(':popover-open'))"
      expect(await page.evaluate(wider)).toBe(0)
      expect(await page.evaluate(poorContrast)).toEqual([])
      await kept(page, `alternatives-360-${colorScheme}`)
      await page.context().close()
    }
  })

  it('reaches everything that can be used by Tab, in order', async () => {
    const { page } = await opened('two', { viewport: { width: 1440, height: 900 } })
    const count = z.number().parse(await page.evaluate(controls))
    expect(count).toBeGreaterThan(100)
    const reached: number[] = []
    for (let i = 0; i < count; i++) {
      await page.keyboard.press('Tab')
      reached.push(Number(await page.evaluate('document.activeElement.dataset.order ?? -1')))
    }
    expect(reached).toEqual(Array.from({ length: count }, (_, i) => i))
    await page.context().close()
  })

  it('opens the numbers behind a chart by keyboard', async () => {
    const { page } = await opened('two')
    const details = page.locator('details').first()
    await details.locator('summary').focus()
    await page.keyboard.press('Enter')
    expect(await details.locator('table').isVisible()).toBe(true)
    expect(await page.evaluate(overflow)).toEqual({ wider: 0, out: [] })
    await page.context().close()
  })

  it('filters classes by name, and has them all without a script', async () => {
    const { page } = await opened('two')
    const rows = page.locator('#routes tr[data-name]')
    await page.getByRole('searchbox').fill(' TREE')
    expect(await rows.filter({ visible: true }).count()).toBe(5)
    expect(await page.locator('.filter output').textContent()).toBe('5 classes')
    await page.context().close()
    const { page: bare } = await opened('two', { javaScriptEnabled: false })
    expect(await bare.locator('.filter').isVisible()).toBe(false)
    expect(await bare.locator('#routes tr[data-name]').filter({ visible: true }).count()).toBe(100)
    await bare.locator('.gallery button').first().press('Enter')
    expect(await bare.locator('.image').filter({ visible: true }).count()).toBe(1)
    await bare.context().close()
  })

  it.each(names)('prints %s on white paper, within its width, from a dark screen', async name => {
    // A4 less its margins of 14 mm, in CSS pixels.
    const { page, complaints } = await opened(name, {
      viewport: { width: 688, height: 1000 },
      colorScheme: 'dark',
    })
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)')
    expect(await page.evaluate(overflow)).toEqual({ wider: 0, out: [] })
    expect(await page.evaluate(poorContrast)).toEqual([])
    expect(await page.evaluate(cutOff)).toEqual([])
    await kept(page, `print-${name}`)
    const pdf = await page.pdf({ format: 'A4' })
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-')
    expect(pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length).toBeGreaterThan(1)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  it('draws the pictures that it has', async () => {
    const { page } = await opened('two', { viewport: { width: 800, height: 900 } })
    const tile = page.locator('.gallery .picture').first()
    await tile.scrollIntoViewIfNeeded()
    const drawn = await tile.screenshot()
    const { entropy } = await (await import('sharp')).default(drawn).stats()
    expect(entropy).toBeGreaterThan(3)
    await page.context().close()
  })
})

/** Charts that are wider than the paper, where nobody can scroll; run in the page. */
const cutOff = `[...document.querySelectorAll('.chart > svg, .panel svg, table')]
  .filter(element => element.checkVisibility() && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(element => element.outerHTML.slice(0, 120))`

async function kept(page: Page, name: string): Promise<void> {
  const folder = process.env.SHOTS
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: !name.startsWith('alternatives') })
}
