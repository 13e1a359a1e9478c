import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { comparedRun } from '../src/analysis/comparison.ts'
import { comparisonCharts, reportCharts } from '../src/report/index.ts'
import { pixels } from '../src/report/paper.ts'
import type { PaperChart } from '../src/report/paper-chart.ts'
import { sweepCharts } from '../src/sweep/sweep-page.ts'
import { chromiumFile } from './chromium.ts'
import { cifar100Classes } from './cifar100-names.ts'
import { syntheticFindings } from './synthetic-findings.ts'
import { syntheticSweep } from './synthetic-sweep.ts'

/**
 * Charts on a page of two columns of 84 mm, as a paper has them, printed by Chromium. Without one these tests are skipped, which
 * their report says. With SHOTS=folder the page is kept there as PDF and as a picture, also in grey.
 */
const title = `charts on a page of two columns${chromiumFile === undefined ? ' (skipped: no Chromium in PATH or CHROMIUM)' : ''}`

const layer = { name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }
const cifar = { ...cifar100Classes(), imagesPerClass: 8, gallery: 4 }
const { findings } = syntheticFindings({ ...cifar, layers: [layer] })
const sixteen = syntheticFindings({ ...cifar, layers: [{ ...layer, experts: 16, k: 4 }] }).findings
const report = reportCharts(findings)
const named = (charts: readonly PaperChart[], name: string): PaperChart =>
  charts.find(chart => chart.name === name)!

let browser: Browser
let page: Page
beforeAll(async () => {
  if (chromiumFile === undefined) return
  browser = await chromium.launch({ executablePath: chromiumFile, args: ['--no-sandbox'] })
  page = await browser.newPage()
}, 60_000)
afterAll(async () => browser?.close())

function figure(chart: PaperChart, width: number, caption: string): string {
  return `<figure data-name="${chart.name}">${chart.paper(pixels(width))}<figcaption>${caption}</figcaption></figure>`
}

const lorem = `${'Each figure stands in its column at its own size, without scaling, so that its text has the size that it was drawn with. '.repeat(3)}`

describe.skipIf(chromiumFile === undefined)(title, () => {
  it('has figures as wide as their columns, with text of 7 pt and more that is all inside', async () => {
    const wide = named(report, 'layer4-superclasses')
    const columns = [
      figure(named(report, 'layer4-training'), 84, '<b>Figure 2.</b> Mean gate weights over the training.'),
      `<p>${lorem}</p>`,
      figure(named(report, 'layer4-information'), 84, '<b>Figure 3.</b> What decides the expert.'),
      figure(named(report, 'layer4-routes/insects'), 84, '<b>Figure 4.</b> Routes of the insects.'),
      figure(named(report, 'layer4-map'), 84, '<b>Figure 5.</b> Map of the gate’s logits.'),
      `<p>${lorem}</p>`,
      figure(named(sweepCharts(syntheticSweep()), 'by-k'), 84, '<b>Figure 6.</b> Accuracy by K.'),
    ].join('')
    await page.setContent(`<!doctype html><meta charset="utf-8"><style>
      @page{size:A4;margin:0} body{margin:0;padding:14mm 18mm;width:174mm;font:9pt/1.3 "Liberation Serif","DejaVu Serif",serif}
      figure{margin:0 0 4mm;break-inside:avoid} svg{display:block} figcaption{font-size:8pt;margin-top:1mm}
      .columns{columns:2;column-gap:6mm} p{margin:0 0 4mm;text-align:justify}</style>
      ${figure(wide, 174, '<b>Figure 1.</b> Mean weight of each superclass by expert.')}<div class="columns">${columns}</div>`)
    const pdf = await page.pdf({ preferCSSPageSize: true })
    const text = pdf.toString('latin1')
    expect(text).toContain('/FontFile2')
    expect(text, 'no chart is a picture').not.toContain('/Subtype /Image')
    const widths: unknown = await page.evaluate(
      `[...document.querySelectorAll('figure svg')].map(svg => Math.round(svg.getBoundingClientRect().width / 96 * 254) / 10)`,
    )
    expect(widths).toEqual([174, 84, 84, 84, 84, 84])
    const { SHOTS: shots } = process.env
    if (shots === undefined) return
    mkdirSync(shots, { recursive: true })
    writeFileSync(join(shots, 'two-columns.pdf'), pdf)
    await page.setViewportSize({ width: 794, height: 1123 })
    await page.screenshot({ path: join(shots, 'two-columns.png'), fullPage: true })
    await page.addStyleTag({ content: 'html{filter:grayscale(1)}' })
    await page.screenshot({ path: join(shots, 'two-columns-grey.png'), fullPage: true })
  }, 60_000)

  it.each([84, 174])(
    'has no text that is cut off, %s mm wide',
    async width => {
      const compared = comparisonCharts([comparedRun(findings, 60)])
      const charts = [...report, ...reportCharts(sixteen), ...compared, ...sweepCharts(syntheticSweep())]
      const kept = charts.filter(({ name }) => !/-(classes|routes|maps)\/(?!insects)/.test(name))
      await page.setContent(kept.map(chart => figure(chart, width, '')).join(''))
      const cut: unknown = await page.evaluate(`[...document.querySelectorAll('figure')].flatMap(figure => {
      const whole = figure.querySelector('svg').getBoundingClientRect()
      return [...figure.querySelectorAll('text')].flatMap(text => {
        const { left, right, top, bottom } = text.getBoundingClientRect()
        const out = Math.max(whole.left - left, right - whole.right, whole.top - top - 2, bottom - whole.bottom - 2)
        return out > 1 ? [figure.dataset.name + ': ' + text.textContent + ' by ' + out.toFixed(1)] : []
      })
    })`)
      expect(cut).toEqual([])
    },
    60_000,
  )
})
