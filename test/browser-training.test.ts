import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Engine } from 'moiety/runtime'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumFile, type Site, serve } from './chromium.ts'
import { bundleForBrowser } from './in-browser/modules.ts'
import { type networks, type Trained, train } from './in-browser/training.ts'

/** Programs written in a browser and run by onnxruntime-web; see `test/in-browser`. */
const title =
  chromiumFile === undefined
    ? 'training in a browser (skipped: no Chromium in PATH or CHROMIUM)'
    : 'training in a browser'

describe.skipIf(chromiumFile === undefined)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-browser-training-'))
  let engine: Engine
  let site: Site
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    const { code } = await bundleForBrowser('test/in-browser/page.ts')
    writeFileSync(join(folder, 'page.js'), code)
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>training</title>')
    site = await serve([
      folder,
      fileURLToPath(new URL('../node_modules/onnxruntime-web/dist', import.meta.url)),
    ])
    engine = await Engine.start({ threads: 1 })
    browser = await chromium.launch({ executablePath: chromiumFile!, args: ['--no-sandbox'] })
    page = await browser.newPage()
    await page.goto(site.origin)
  })
  afterAll(async () => {
    await browser?.close()
    await engine?.stop()
    site?.close()
    rmSync(folder, { recursive: true })
  })

  it.each(['own', 'configured'] satisfies (keyof typeof networks)[])(
    'gives the losses, gradients and routing that Node gives, to 1e-5: %s network',
    async name => {
      const inNode = await train(name, async program => {
        const loaded = await engine.load(program)
        return inputs => loaded.run(inputs)
      })
      const inBrowser = await page.evaluate<Trained>(
        `import('/page.js').then(page => page.trainHere('${name}'))`,
      )
      for (const what of ['losses', 'gradientNorms', 'weights'] as const) {
        expect(inBrowser[what], what).toHaveLength(inNode[what].length)
        for (const [i, value] of inNode[what].entries())
          expect(Math.abs(inBrowser[what][i]! - value), `${what} ${i}: ${value}`).toBeLessThan(
            1e-5 * Math.max(1, Math.abs(value)),
          )
      }
      expect(Math.abs(inBrowser.loss - inNode.loss)).toBeLessThan(1e-5)
      expect(new Set(inNode.losses).size).toBe(6)
    },
  )
})
