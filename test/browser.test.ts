import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Tensor } from 'onnxruntime-node'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import sharp from 'sharp'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type ExportOptions, exportRun } from '../src/export/index.ts'
import { chromiumFile, type Site, serve } from './chromium.ts'
import {
  classes,
  dataFacts,
  farthest,
  normalised,
  type Outputs,
  planarPlace,
  randomPixels,
  randomState,
  runModel,
  smallConfig,
  writeCaptions,
  writeRun,
} from './untrained-run.ts'

/**
 * The page of `examples/browser`, in Chromium, with exported models: the same logits as in Node. Without Chromium these
 * tests are skipped, which is said.
 */
if (chromiumFile === undefined)
  console.warn('browser.test.ts is skipped: there is no Chromium in PATH or CHROMIUM')

const root = fileURLToPath(new URL('..', import.meta.url))
const size = 16
const pixels = randomPixels(1, size)

describe('the page', () => {
  it('is right as TypeScript, where there is a DOM', () => {
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    execFileSync(process.execPath, [tsc, '-p', join(root, 'examples/browser'), '--noEmit'], { stdio: 'pipe' })
  })
})

describe.skipIf(chromiumFile === undefined)('the page in a browser', () => {
  const folder = join(tmpdir(), `moiety-browser-${process.pid}`)
  const site = join(folder, 'site')
  const image = join(folder, 'image.png')
  const layer = { experts: 4, k: 2 }
  const config = smallConfig([
    { ...layer, position: 4 },
    { position: 2, experts: 3, k: 1, weighting: 'softmax-before-top-k', style: 'block' },
  ])
  const run = join(folder, 'run')
  const captions = ['cats <b>and</b> dogs', 'bees', null, 'tools']
  let server: Site
  let browser: Browser
  let context: BrowserContext
  /** What Node gives. */
  let expected: Outputs

  beforeAll(async () => {
    writeRun(run, config, { state: randomState(config) })
    writeCaptions(run, [{ name: 'layer4', experts: captions.map(caption => ({ caption })) }])
    const reference = join(folder, 'reference.onnx')
    await exportRun({ run, out: reference })
    const images = new Tensor('float32', normalised(pixels, size), [1, 3, size, size])
    expected = await runModel(reference, { images })
    const source = join(root, 'examples/browser')
    await build({
      root: source,
      configFile: join(source, 'vite.config.ts'),
      logLevel: 'error',
      build: { outDir: site },
    })
    const raw = { width: size, height: size, channels: 3 } as const
    const interleaved = pixels.map((_, at) => pixels[planarPlace(at, size)]!)
    await sharp(interleaved, { raw }).png().toFile(image)
    server = await serve([site])
    browser = await chromium.launch({ executablePath: chromiumFile!, args: ['--no-sandbox'] })
    context = await browser.newContext()
  })
  afterAll(async () => {
    await browser?.close()
    server?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A page that has taken its model, and the addresses that it has asked for. */
  async function opened(
    options?: Omit<ExportOptions, 'run' | 'out'>,
  ): Promise<{ page: Page; asked: string[] }> {
    const model = join(site, 'model.onnx')
    rmSync(model, { force: true })
    if (options !== undefined) await exportRun({ run, out: model, ...options })
    const page = await context.newPage()
    const asked: string[] = []
    page.on('request', request => asked.push(request.url()))
    await page.goto(server.origin)
    if (options !== undefined) await page.waitForSelector('body[data-model]')
    return { page, asked }
  }

  async function verdictOf(page: Page, name = 'image.png') {
    await page.waitForSelector(`#results[data-image="${name}"]`)
    const read = async (key: string): Promise<unknown> =>
      JSON.parse((await page.getAttribute('#results', `data-${key}`)) ?? 'null')
    return {
      logits: z.array(z.number()).parse(await read('logits')),
      weights: z.record(z.string(), z.array(z.number())).parse(await read('weights')),
    }
  }

  it.each([
    ['sparse', {}],
    ['dense', { routing: 'dense' }],
    ['dense, for three at once', { routing: 'dense', batch: 3 }],
    ['uint8', { uint8: true }],
    ['uint8, channels last', { uint8: true, channelsLast: true }],
  ] as const)('gives the logits and weights that Node gives, whatever the form: %s', async (_, options) => {
    const { page } = await opened(options)
    await page.setInputFiles('#file', image)
    const { logits, weights } = await verdictOf(page)
    expect(farthest(logits, expected.logits!.data)).toBeLessThan(1e-4)
    for (const name of ['layer4', 'layer2'])
      expect(farthest(weights[name]!, expected[`${name}.weights`]!.data)).toBeLessThan(1e-4)
    await page.close()
  })

  it('lights up the experts that were used, and no other, with their captions as text', async () => {
    const { page, asked } = await opened({})
    await page.setInputFiles('#file', image)
    const { weights } = await verdictOf(page)
    const layers = await page.locator('.layer').all()
    expect(layers).toHaveLength(2)
    for (const [i, name] of ['layer2', 'layer4'].entries()) {
      const experts = await layers[i]!.locator('.expert').all()
      const lit = await Promise.all(experts.map(one => one.evaluate(tile => tile.classList.contains('lit'))))
      expect(lit).toEqual(weights[name]!.map(weight => weight > 0))
      expect(lit.filter(Boolean)).toHaveLength(name === 'layer4' ? 2 : 1)
    }
    const texts = await layers[1]!.locator('.expert').allTextContents()
    expect(texts[0]).toContain('cats <b>and</b> dogs')
    expect(texts[2]).not.toContain('null')
    const glow = (expert: number) =>
      page.evaluate(
        `getComputedStyle(document.querySelectorAll('.layer')[1].querySelectorAll('.lamp')[${expert}]).boxShadow`,
      )
    const brightest = weights.layer4!.indexOf(Math.max(...weights.layer4!))
    const dark = weights.layer4!.indexOf(0)
    expect(String(await glow(brightest))).toContain('px')
    expect(await glow(brightest)).not.toBe(await glow(dark))
    // The most likely class is on top, of five with names and superclasses.
    const rows = await page.locator('#classes li').allTextContents()
    expect(rows).toHaveLength(5)
    const { logits } = await verdictOf(page)
    const best = logits.indexOf(Math.max(...logits))
    expect(rows[0]).toContain(classes[best])
    expect(rows[0]).toContain(dataFacts.superclasses[dataFacts.superclassOf[best]!])
    // Everything came from the one server.
    expect(asked.filter(url => !url.startsWith(server.origin) && !url.startsWith('blob:'))).toEqual([])
    await page.close()
  })

  it('can be used with the keyboard, and by dropping a file', async () => {
    const { page } = await opened({})
    const chooser = page.waitForEvent('filechooser')
    await page.keyboard.press('Tab')
    expect(await page.locator('#file:focus').count()).toBe(1)
    await page.keyboard.press('Space')
    await (await chooser).setFiles(image)
    const { logits } = await verdictOf(page)

    const { page: other } = await opened({})
    const data = await other.evaluateHandle(`(() => {
      const transfer = new DataTransfer()
      const bytes = Uint8Array.from(${JSON.stringify([...readFileSync(image)])})
      transfer.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }))
      return transfer
    })()`)
    await other.dispatchEvent('#drop', 'drop', { dataTransfer: data })
    expect((await verdictOf(other, 'dropped.png')).logits).toEqual(logits)
    await page.close()
    await other.close()
  })

  it('takes a model that is dropped, and images of any shape; says so where a file is neither', async () => {
    const { page } = await opened()
    await page.locator('#status').filter({ hasText: 'Drop a model' }).waitFor()
    const broken = join(folder, 'broken')
    mkdirSync(broken)
    writeFileSync(join(broken, 'broken.png'), 'no image')
    writeFileSync(join(broken, 'broken.onnx'), 'no model')
    const failure = page.locator('#status.failed')
    await page.setInputFiles('#file', join(broken, 'broken.png'))
    await failure.filter({ hasText: 'broken.png is not an image' }).waitFor()
    await page.setInputFiles('#file', join(broken, 'broken.onnx'))
    await failure.filter({ hasText: 'broken.onnx' }).waitFor()

    const wide = join(broken, 'wide.jpg')
    const background = { r: 200, g: 30, b: 90 }
    await sharp({ create: { width: 90, height: 41, channels: 3, background } })
      .jpeg()
      .toFile(wide)
    await page.setInputFiles('#file', wide)
    await page.locator('#status:not(.failed)').filter({ hasText: 'drop a model' }).waitFor()
    const { file } = await exportRun({ run, out: join(broken, 'good.onnx') })
    await page.setInputFiles('#file', file)
    expect((await verdictOf(page, 'wide.jpg')).logits).toHaveLength(classes.length)
    await page.close()
  })

  it('fits a narrow screen, light and dark', async () => {
    const { page } = await opened({})
    await page.setViewportSize({ width: 360, height: 720 })
    await page.setInputFiles('#file', image)
    await verdictOf(page)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const { overhang, background } = z.object({ overhang: z.number(), background: z.string() }).parse(
        await page.evaluate(`({
          overhang: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          background: getComputedStyle(document.body).backgroundColor,
        })`),
      )
      expect(overhang, colorScheme).toBe(0)
      expect(background).toBe(colorScheme === 'light' ? 'rgb(246, 245, 241)' : 'rgb(20, 22, 29)')
      if (process.env.MOIETY_SCREENSHOTS !== undefined)
        await page.screenshot({
          path: join(process.env.MOIETY_SCREENSHOTS, `page-${colorScheme}.png`),
          fullPage: true,
        })
    }
    await page.close()
  })
})
