import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sampleData } from '../playground/pack-sample.ts'
import { configOf, defaults, writeHash } from '../playground/src/settings.ts'
import { Training } from '../playground/src/training/training.ts'
import { resolveConfig } from '../src/config/config.ts'
import { Engine } from '../src/runtime/index.ts'
import { train } from '../src/train/index.ts'
import { chromiumFile } from './chromium.ts'
import { exported, numbersOf, PlaygroundSite, rootData, untilState, untilStep } from './playground-page.ts'

/** The playground in Chromium; without one these tests are skipped, which is said. `npm run test:playground` has the longer ones. */
if (chromiumFile === undefined)
  console.warn('playground.test.ts is skipped: there is no Chromium in PATH or CHROMIUM')

/** The steps in the log of a run. */
function stepsOf(run: string): { readonly step: number; readonly loss: number }[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n')
  return lines.map(line => JSON.parse(line)).filter(({ kind }) => kind === 'step')
}

describe('the playground', () => {
  it('is right as TypeScript, where there is a DOM', () => {
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    // With the declarations of what was built: the sources are checked by `npm run typecheck`.
    const project = fileURLToPath(new URL('../playground/tsconfig.built.json', import.meta.url))
    execFileSync(process.execPath, [tsc, '-p', project, '--noEmit'], { stdio: 'pipe' })
  })
})

describe.skipIf(chromiumFile === undefined)('the playground in a browser', () => {
  let playground: PlaygroundSite
  let page: Page
  let errors: string[]
  /** The first run, exported. */
  let run: string
  let archive: string
  let other: Page

  beforeAll(async () => {
    playground = await PlaygroundSite.start()
    ;({ page, errors } = await playground.open())
    await page.evaluate(`(() => {
      window.shifts = 0
      new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window.shifts += entry.value
      }).observe({ type: 'layout-shift', buffered: true })
    })()`)
  })
  afterAll(async () => {
    await playground?.stop()
  })

  it('trains, and says so on its root element', async () => {
    await untilStep(page, 5)
    await page.waitForFunction("document.documentElement.dataset.top1 !== ''")
    const { state, step, loss, top1, device } = await rootData(page)
    expect({ state, device }).toEqual({ state: 'training', device: 'wasm' })
    expect(Number(step)).toBeGreaterThanOrEqual(5)
    // How far it has come by now is not known; what the first steps give is in the log, below.
    expect(Number(loss)).toBeGreaterThan(0)
    expect(Number(loss)).toBeLessThan(4)
    expect(Number(top1)).toBeLessThanOrEqual(1)
  })

  it('lights up the experts of what is drawn, K of them, in both runs', async () => {
    const box = (await page.locator('#pad').boundingBox())!
    await page.mouse.move(box.x + 30, box.y + 30)
    await page.mouse.down()
    await page.mouse.move(box.x + 90, box.y + 90, { steps: 5 })
    await page.mouse.up()
    const place = page.locator('#looks[data-weights]')
    await place.waitFor()
    const weights: number[][] = JSON.parse((await place.getAttribute('data-weights'))!)
    expect(weights).toHaveLength(2)
    for (const own of weights) {
      expect(own).toHaveLength(4)
      expect(own.filter(weight => weight > 0)).toHaveLength(2)
      expect(own.reduce((a, b) => a + b)).toBeCloseTo(1, 4)
    }
    expect(await page.locator('.lamp.lit').count()).toBe(4)
  })

  it('goes on while its tab is hidden, and is right when it is shown again', async () => {
    const visibility = async (isHidden: boolean): Promise<void> => {
      await page.evaluate(`(() => {
        Object.defineProperty(document, 'hidden', { get: () => ${isHidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))
      })()`)
    }
    await visibility(true)
    const before = Number((await rootData(page)).step)
    await untilStep(page, before + 4)
    await visibility(false)
    const shares = page.locator('.run .shares-box canvas').first()
    await page.waitForFunction(
      `+/at step (\\d+)/.exec(document.querySelector('.shares-box canvas').ariaLabel)?.[1] >= ${before + 4}`,
    )
    expect(await shares.getAttribute('aria-label')).toContain('expert 3')
    // Browsers stop pages that are hidden for long altogether.
    const session = await page.context().newCDPSession(page)
    await session.send('Page.setWebLifecycleState', { state: 'frozen' })
    await session.send('Page.setWebLifecycleState', { state: 'active' })
    await untilStep(page, before + 8)
  })

  it('goes on from the last snapshot where the device is lost', async () => {
    const before = Number((await rootData(page)).step)
    await page.evaluate('playground.lose()')
    await page.waitForFunction("document.getElementById('say').textContent.includes('was lost')")
    await untilStep(page, before + 3)
    expect((await rootData(page)).state).toBe('training')
    expect((await rootData(page)).device).toBe('wasm')
  })

  it('shows a collapse without a constraint, and balance with one', async () => {
    await page.waitForFunction("document.querySelector('.run').dataset.starved !== ''")
    await untilStep(page, 40)
    // So that all that is read is of one step.
    await page.getByRole('button', { name: 'Pause' }).click()
    await untilState(page, 'paused')
    const starved = await numbersOf(page, 0, 'starved')
    expect(starved.length).toBeGreaterThan(0)
    expect(await page.locator('.run').first().locator('.alarm').textContent()).toContain(
      `${starved.length} of 4 experts`,
    )
    const shares = await numbersOf(page, 0, 'training')
    expect(Math.max(...shares)).toBeGreaterThan(0.6)
    for (const share of await numbersOf(page, 1, 'training'))
      expect(Math.abs(share - 0.25)).toBeLessThan(0.07)
    expect(await page.locator('.run').nth(1).getAttribute('data-starved')).toBe('')
  })

  it('exports a run, which the command line continues', async () => {
    ;({ folder: run, archive } = await exported(page, 0, playground.folder))
    const steps = stepsOf(run)
    // The device was lost in between: no step is missing, and none is there twice.
    expect(steps.map(({ step }) => step)).toEqual(steps.map((_, i) => i + 1))
    for (const { loss } of steps.slice(0, 5)) {
      expect(loss).toBeGreaterThan(2)
      expect(loss).toBeLessThan(4)
    }
    const stop = new AbortController()
    const resumed: number[] = []
    await train({
      config: resolveConfig(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')), run),
      ...{ run, recipe: 'test', resume: true, signal: stop.signal },
      onEvent: event => {
        if (event.kind !== 'step') return
        resumed.push(event.step)
        stop.abort()
      },
    })
    expect(resumed).toEqual([steps.length + 1])
  })

  it('opens the archive again, and goes on step by step', async () => {
    const step = Number(/step-(\d+)/.exec(archive)?.[1])
    await page.setInputFiles('#files', archive)
    await page.waitForFunction(
      `document.getElementById('say').textContent.includes('Opened at step ${step}. Play goes on')`,
    )
    await untilState(page, 'paused')
    expect(await page.locator('.run').count()).toBe(1)
    expect((await rootData(page)).step).toBe(String(step))
    await page.getByRole('button', { name: 'Step' }).click()
    await untilStep(page, step + 1)
    expect(new URL(page.url()).hash).toBe('#seed=42&device=wasm')
  })

  it('trains on a folder of images, and says what it passes over', async () => {
    const given = [['pets/cats/broken.png', Buffer.from('no image').toString('base64')]]
    for (const [name, background] of Object.entries({ cats: '#e08030', dogs: '#3060c0' }))
      for (let i = 0; i < 6; i++) {
        const image = sharp({ create: { width: 40 + i, height: 50, channels: 3, background } })
        given.push([`pets/${name}/${i}.png`, (await image.png().toBuffer()).toString('base64')])
      }
    // As they come from a folder that was dropped.
    await page.evaluate(`playground.take(${JSON.stringify(given)}.map(([path, text]) => {
      const bytes = Uint8Array.from(atob(text), one => one.charCodeAt(0))
      return { path, file: new File([bytes], path.split('/').at(-1)) }
    }))`)
    await page.waitForFunction("document.getElementById('say').textContent.includes('broken.png')")
    expect(await page.locator('#data-title').textContent()).toContain('2 classes of pets: ')
    await page.getByRole('button', { name: 'Play' }).click()
    await untilStep(page, 2)
    expect(await page.locator('.matrix-box canvas').first().getAttribute('aria-label')).toContain('expert 0')
  })

  it('has not moved what was there, and has thrown nothing', async () => {
    expect(await page.evaluate('window.shifts')).toBeLessThan(0.02)
    expect(errors).toEqual([])
  })

  it('takes the steps of the command line, to rounding', async () => {
    // Where steps are large, rounding soon sends an image to another expert, in Node too: see docs/guide/playground.md.
    const settings = { ...defaults, e: 3, lr: 0.001, constraint: 'importance', seed: 3 }
    const address = `${writeHash({ settings, against: undefined, device: 'wasm' })}&colour=red`
    ;({ page: other } = await playground.open(address))
    const engine = await Engine.start({ threads: 1 })
    const training = await Training.begin(engine, configOf(settings), await sampleData())
    const losses = []
    for (let i = 0; i < 4; i++) losses.push((await training.takeStep()).report.loss)
    await engine.stop()
    await other.locator('#say').filter({ hasText: 'passed over: colour=red' }).waitFor()
    await untilStep(other, 4)
    const { folder } = await exported(other, 0, playground.folder)
    const steps = stepsOf(folder)
    for (const [i, loss] of losses.entries())
      expect(Math.abs(steps[i]!.loss - loss), `step ${i}`).toBeLessThan(1e-4)
    expect(new Set(losses).size).toBe(4)
  })

  it('has a name for every control, tips for the keyboard, and a tour without a pointer', async () => {
    expect(await other.locator('.run').count()).toBe(1)
    expect(await other.locator('#setting-e').inputValue()).toBe('3')
    const unnamed =
      await other.evaluate(`[...document.querySelectorAll('input:not([hidden]), select, button, canvas')]
      .filter(one => !(one.labels?.length > 0 || one.ariaLabel || one.textContent.trim()))
      .map(one => one.outerHTML)`)
    expect(unnamed).toEqual([])
    await other.locator('#setting-k').focus()
    expect(await other.locator('#setting-k-tip').isVisible()).toBe(true)
    await other.locator('#tour').focus()
    await other.keyboard.press('Enter')
    for (let stop = 2; stop <= 5; stop++) {
      await other.keyboard.press('Enter')
      expect(await other.locator('#tour-panel .kicker').textContent()).toBe(`${stop} of 5`)
    }
    await other.keyboard.press('Escape')
    expect(await other.locator('#tour-panel').isHidden()).toBe(true)
  })
})
