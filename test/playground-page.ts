import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { chromiumFile, type Site, serve } from './chromium.ts'

/** The playground, built and served, in a Chromium. */
export class PlaygroundSite {
  private constructor(
    readonly folder: string,
    readonly site: Site,
    readonly browser: Browser,
  ) {}

  static async start(args: readonly string[] = []): Promise<PlaygroundSite> {
    const folder = mkdtempSync(join(tmpdir(), 'moiety-playground-site-'))
    const root = fileURLToPath(new URL('../playground', import.meta.url))
    const configFile = join(root, 'vite.config.ts')
    // The default here is `test`, for which Vite would build React and others for development.
    await build({
      ...{ root, configFile, logLevel: 'error', mode: 'production' },
      build: { outDir: join(folder, 'site'), reportCompressedSize: false },
    })
    const site = await serve([join(folder, 'site')])
    const browser = await chromium.launch({ executablePath: chromiumFile!, args: ['--no-sandbox', ...args] })
    return new PlaygroundSite(folder, site, browser)
  }

  /** A page, and the errors that it has thrown. */
  async open(hash = '#device=wasm'): Promise<{ readonly page: Page; readonly errors: string[] }> {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 } })
    const page = await context.newPage()
    page.setDefaultTimeout(250_000)
    const errors: string[] = []
    page.on('pageerror', error => errors.push(error.message))
    await page.goto(`${this.site.origin}/${hash}`)
    return { page, errors }
  }

  async stop(): Promise<void> {
    await this.browser.close()
    this.site.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Waits until all runs have taken so many steps. */
export async function untilStep(page: Page, step: number, timeout = 250_000): Promise<void> {
  await page.waitForFunction(`+document.documentElement.dataset.step >= ${step}`, undefined, { timeout })
}

export async function untilState(page: Page, state: string): Promise<void> {
  await page.waitForFunction(`document.documentElement.dataset.state === '${state}'`)
}

/** What the root element says. */
export async function rootData(page: Page): Promise<Readonly<Record<string, string>>> {
  return JSON.parse(await page.evaluate('JSON.stringify(document.documentElement.dataset)'))
}

/** What a run's section says, numbers that are separated by spaces. */
export async function numbersOf(page: Page, run: number, name: string): Promise<number[]> {
  const text = await page.locator('.run').nth(run).getAttribute(`data-${name}`)
  return (text ?? '').split(' ').filter(Boolean).map(Number)
}

/** Exports a run by its button, and unpacks it into a folder, whose path is returned with the archive's. */
export async function exported(
  page: Page,
  run: number,
  into: string,
): Promise<{ readonly archive: string; readonly folder: string }> {
  const downloading = page.waitForEvent('download')
  await page.locator('.run').nth(run).getByRole('button', { name: 'Export' }).click()
  const download = await downloading
  const archive = join(into, download.suggestedFilename())
  await download.saveAs(archive)
  for (const [path, bytes] of Object.entries(unzipSync(readFileSync(archive)))) {
    mkdirSync(dirname(join(into, path)), { recursive: true })
    writeFileSync(join(into, path), bytes)
  }
  return { archive, folder: archive.replace(/\.zip$/, '') }
}
