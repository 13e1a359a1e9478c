import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumFile } from '../../test/chromium.ts'
import { numbersOf, PlaygroundSite, rootData, untilStep } from '../../test/playground-page.ts'

/** What takes minutes: `npm run test:playground`. Without a Chromium it is skipped. */
if (chromiumFile === undefined)
  console.warn('the long tests of the playground are skipped: there is no Chromium in PATH or CHROMIUM')

describe.skipIf(chromiumFile === undefined)('the playground', () => {
  let playground: PlaygroundSite
  beforeAll(async () => {
    playground = await PlaygroundSite.start([
      // WebGPU on the processor, which is slow and computes the same.
      ...['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-webgpu-adapter=swiftshader'],
    ])
  })
  afterAll(async () => {
    await playground?.stop()
  })

  const largest = (shares: readonly number[]): number => Math.max(...shares)

  it.each([
    ['', 'none', 'importance'],
    ['#constraint=kl&vs=constraint:relative&device=wasm', 'kl', 'relative'],
  ])('shows the point: %s', async (hash, ...constraints) => {
    const { page, errors } = await playground.open(hash === '' ? '#device=wasm' : hash)
    await untilStep(page, 150, 500_000)
    for (const [run, constraint] of constraints.entries()) {
      const shares = await numbersOf(page, run, 'training')
      if (constraint === 'none') {
        expect(largest(shares)).toBeGreaterThan(0.6)
        expect((await numbersOf(page, run, 'starved')).length).toBeGreaterThan(0)
      } else {
        expect(largest(shares)).toBeLessThan(0.33)
        expect(await numbersOf(page, run, 'starved')).toEqual([])
      }
    }
    expect(errors).toEqual([])
    await page.close()
  })

  it('has threads on any server, and works without a network', async () => {
    const context = await playground.browser.newContext()
    const page = await context.newPage()
    page.setDefaultTimeout(200_000)
    await page.addInitScript("Object.defineProperty(navigator, 'hardwareConcurrency', { get: () => 8 })")
    const address = `${playground.site.origin}/#device=wasm`
    await page.goto(address)
    await untilStep(page, 2, 200_000)
    expect(await page.evaluate('crossOriginIsolated')).toBe(true)
    expect(await page.locator('#progress').textContent()).toContain('4 threads')
    await page.waitForFunction("document.documentElement.dataset.offline === 'ready'")
    await context.setOffline(true)
    await page.goto('about:blank')
    await page.goto(address)
    await untilStep(page, 2, 200_000)
    await context.close()
  })

  it('trains by WebGPU, and goes on by itself where the graphics card is lost', {
    timeout: 900_000,
  }, async () => {
    const { page } = await playground.open('#constraint=importance&device=webgpu')
    page.setDefaultTimeout(600_000)
    await untilStep(page, 3, 600_000)
    expect((await rootData(page)).device).toBe('webgpu')
    // Parameters, statistics and velocities stay on the device; loss, norms, counts and what the experts got are copied.
    const run = page.locator('.run').first()
    const [copied, onDevice] = [
      await run.getAttribute('data-copied'),
      await run.getAttribute('data-on-device'),
    ]
    expect(Number(onDevice)).toBeGreaterThan(200)
    expect(Number(copied)).toBeGreaterThan(8)
    expect(Number(copied)).toBeLessThan(60)
    const losses = await lossesOf(page)
    await page.evaluate('playground.lose()')
    await page.waitForFunction("/was lost/.test(document.getElementById('say').textContent)")
    await page.waitForFunction("document.documentElement.dataset.state === 'loading'")
    await untilStep(page, losses.length + 1, 600_000)
    // The snapshot was of a step before: what was computed since is computed again.
    const again = await lossesOf(page)
    for (const [i, loss] of losses.slice(0, 2).entries())
      expect(Math.abs(again[i]! - loss)).toBeLessThan(1e-2)
    await page.close()
  })
})

/** Losses of the steps of the first run. */
async function lossesOf(page: Page): Promise<number[]> {
  return JSON.parse(await page.evaluate('JSON.stringify(playground.losses)'))
}
