import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumFile, type Site as Server, serve } from '../../test/chromium.ts'
import { brokenLinks, remoteAssets, type Site } from './site-files.ts'

/** The built site, in docs/.vitepress/dist: `npm run docs` builds it and runs these tests. */
const folder = fileURLToPath(new URL('../.vitepress/dist', import.meta.url))
const base = process.env.DOCS_BASE ?? '/'

function readSite(): Site {
  expect(existsSync(folder), 'there is no built site: npm run docs').toBe(true)
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return new Map(
    files.map(entry => {
      const path = join(entry.parentPath, entry.name)
      const name = path.slice(folder.length + 1).replaceAll('\\', '/')
      return [name, /\.(html|css|m?js)$/.test(name) ? readFileSync(path, 'utf8') : '']
    }),
  )
}

describe('the checks of a site', () => {
  it('find links to files and anchors that are not there', () => {
    const site = new Map([
      [
        'index.html',
        '<a href="/guide/#here">a</a><a href="/guide/#none">b</a><a href="none.html">c</a><a href="https://example.com/x">d</a>',
      ],
      [
        'guide/index.html',
        '<h2 id="here"></h2><a href="../index.html">a</a><img src="/none.png"><a href="#none">b</a>',
      ],
    ])
    expect(brokenLinks(site)).toEqual([
      'index.html: /guide/#none',
      'index.html: none.html',
      'guide/index.html: /none.png',
      'guide/index.html: #none',
    ])
    const moved = new Map([['index.html', '<a href="/docs/">a</a><a href="/">b</a>']])
    expect(brokenLinks(moved, '/docs/')).toEqual(['index.html: /'])
  })

  it('find what would be loaded from other hosts, and no links for readers', () => {
    const html =
      '<a href="https://a.example/"></a><link rel="canonical" href="https://a.example/">' +
      '<script src="https://b.example/x.js"></script><link rel="stylesheet" href="//c.example/x.css">' +
      '<img srcset="/own.png 1x, https://d.example/x.png 2x"><style>@import "https://e.example/x.css";</style>'
    expect(remoteAssets('index.html', html).map(address => new URL(address, 'https://x').host)).toEqual(
      ['b', 'c', 'd', 'e'].map(name => `${name}.example`),
    )
    const css = '@font-face{src:url(https://f.example/x.woff2)} a{background:url("/own.png")}'
    expect(remoteAssets('style.css', css)).toEqual(['https://f.example/x.woff2'])
    const js =
      'import x from"https://g.example/x.js";fetch("https://h.example/");const link="https://i.example/"'
    expect(remoteAssets('app.js', js)).toEqual(['https://g.example/x.js', 'https://h.example/'])
  })
})

describe('the built site', () => {
  let site: Site
  beforeAll(() => {
    site = readSite()
  })

  it('has the guides, the API reference and the playground', () => {
    for (const path of [
      'index.html',
      'guide/index.html',
      'api/moe.html',
      'results.html',
      'playground/index.html',
    ])
      expect(site.has(path), path).toBe(true)
  })

  it('has no dead link, anchor or picture', () => {
    expect(brokenLinks(site, base)).toEqual([])
  })

  it('loads nothing from other hosts', () => {
    expect(
      [...site].flatMap(([path, text]) => remoteAssets(path, text).map(address => `${path}: ${address}`)),
    ).toEqual([])
  })

  it('can be searched without a server', () => {
    const index = [...site.keys()].filter(path => path.includes('localSearchIndex'))
    expect(index.length).toBeGreaterThan(0)
  })
})

describe.skipIf(chromiumFile === undefined || base !== '/')('in a browser, the site', () => {
  const paths = [
    '/',
    '/guide/',
    '/guide/your-data.html',
    '/reference/configuration.html',
    '/explanation/METHOD.html',
    '/results.html',
    '/api/moe.html',
  ]
  let server: Server
  let browser: Browser
  beforeAll(async () => {
    server = await serve([folder])
    browser = await chromium.launch({ executablePath: chromiumFile!, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    server?.close()
  })

  it.each(paths)('%s fits a phone, is dark where that is wished, and asks no other host', async path => {
    const page = await browser.newPage({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' })
    const hosts = new Set<string>()
    const errors: string[] = []
    page.on('request', request => {
      const { protocol, origin } = new URL(request.url())
      if (protocol.startsWith('http')) hosts.add(origin)
    })
    page.on('pageerror', error => errors.push(error.message))
    await page.goto(server.origin + path, { waitUntil: 'networkidle' })
    const width = await page.evaluate<number>('document.documentElement.scrollWidth')
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    const brightness = Math.max(...(background.match(/\d+/g) ?? []).slice(0, 3).map(Number))
    expect(width).toBeLessThanOrEqual(390)
    expect(brightness).toBeLessThan(64)
    expect([...hosts]).toEqual([server.origin])
    expect(errors).toEqual([])
    await page.close()
  })

  it('finds a word, and the playground starts within its page', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    const origins = new Set<string>()
    page.on('request', request => {
      if (request.url().startsWith('http')) origins.add(new URL(request.url()).origin)
    })
    await page.goto(`${server.origin}/guide/playground.html`, { waitUntil: 'networkidle' })
    await page.getByRole('button', { name: /^Start it here/ }).click()
    await page.frameLocator('iframe').getByText(/step/i).first().waitFor({ timeout: 60_000 })
    await page.keyboard.press('Control+k')
    await page.getByRole('searchbox').fill('collapse')
    const found = page.locator('.VPLocalSearchBox .result').first()
    // Guides come before the API.
    expect(await found.getAttribute('href')).toContain('/guide/collapse')
    expect([...origins]).toEqual([server.origin])
    await page.close()
  })
})
