import { describe, expect, it } from 'vitest'
import { syntheticFindings } from '../../test/synthetic-findings.ts'
import { barChart } from './bar-charts.ts'
import { chartFiles } from './chart-files.ts'
import { renderReport, reportCharts } from './page.ts'
import { pixels } from './paper.ts'
import type { PaperChart } from './paper-chart.ts'

const { findings } = syntheticFindings({
  classes: ['ant', 'bee', 'oak & elm', '../fir'],
  superclasses: ['animal', 'tree/shrub'],
  superclassOf: [0, 0, 1, 1],
  imagesPerClass: 20,
  layers: [{ name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }],
  gallery: 2,
})
const charts = reportCharts(findings)
const named = (name: string): PaperChart => charts.find(chart => chart.name === name)!

describe('charts for documents', () => {
  it('are all charts of the page, and of what the page draws with elements of HTML', () => {
    const page = renderReport(findings, null)
    const drawn = Array.from(page.matchAll(/<svg role="img" aria-label="([^"]*)"/g), ([, label]) => label)
    const labels = charts.map(({ label }) => label.replaceAll('&', '&amp;'))
    expect(drawn.length).toBeGreaterThan(6)
    for (const label of drawn) expect(labels).toContain(label)
    for (const name of ['captions', 'shares', 'variants-top1', 'routes/animal'])
      expect(charts.map(chart => chart.name)).toContain(`layer4-${name}`)
  })

  it.each([84, 174])('are %s mm wide on white, with fixed colours and text of 7 pt and more', width => {
    for (const { name, paper } of charts) {
      const svg = paper(pixels(width))
      const [, wide] = /viewBox="0 0 ([\d.]+) /.exec(svg) ?? []
      expect(Number(wide), name).toBeCloseTo((width / 25.4) * 96, 1)
      expect(svg, name).toMatch(new RegExp(`^<svg xmlns="http://www.w3.org/2000/svg" width="${width}mm"`))
      expect(svg, name).toContain('fill="#ffffff"/>')
      expect(svg, name).not.toMatch(/var\(|currentColor|NaN|undefined/)
      for (const [, size] of svg.matchAll(/font-size="([\d.]+)/g))
        expect(Number(size) * 0.75, name).toBeGreaterThanOrEqual(7)
    }
  })

  it('are told apart without colour: dashes and shapes of experts, hatches of parts and of less than chance', () => {
    const training = named('layer4-training').paper(300)
    const lines = Array.from(training.matchAll(/<path[^>]*d="M[^"]*L[^>]*stroke="#[^>]*>/g), ([tag]) => tag)
    const dashes = lines.slice(0, 4).map(tag => /stroke-dasharray="([^"]*)"/.exec(tag)?.[1] ?? 'none')
    expect(new Set(dashes).size).toBe(4)
    const map = named('layer4-map').paper(300)
    const corners = Array.from(map.matchAll(/<path d="M([^"Z]*)Z"/g), ([, d]) => d!.split('L').length)
    expect([...new Set(corners)].length).toBeGreaterThan(1)
    for (const name of ['layer4-superclasses', 'layer4-routes/animal'])
      expect(named(name).paper(300), name).toContain('aria-label="hatch"')
  })

  it('have their units and legends inside', () => {
    expect(named('layer4-training').paper(300)).toMatch(/mean gate weight.*even split, 1 \/ E/s)
    expect(named('layer4-superclasses').paper(600)).toMatch(/× chance:.*&gt; 4.*figures: mean weight, %/s)
  })

  it('have the names of bars whole, beside them or above', () => {
    const shares = named('layer4-shares').paper(pixels(84))
    expect(shares).toContain('>expert 3, selection<')
    const long = 'the box overlaps too little (IoU 0.1 to 0.5)'
    const bars = [{ name: long, value: 3, text: '3', tick: null }]
    const { paper } = barChart({ name: 'a', label: 'a', data: [] }, bars, 4).svg.charts[0]!
    expect(paper(pixels(84))).toContain(`>${long}<`)
  })

  it('number epochs from 1, as learning curves and the log do', () => {
    const [first] = named('layer4-training').data
    expect(first).toMatchObject({ epoch: findings.layers[0]!.history[0]!.epoch + 1, expert: 0 })
  })

  it('keep a name of the data from being a path or markup', async () => {
    const files = await chartFiles([named('layer4-classes/tree/shrub'), named('layer4-routes/tree/shrub')])
    expect(files.map(({ name }) => name)).toContain('layer4-classes/tree/shrub-84mm.svg')
    const evil = { ...named('layer4-pairs'), name: '../../etc/pass wd' }
    const [first, ...rest] = await chartFiles([evil, evil])
    expect(first!.name).toBe('chart/chart/etc/pass-wd-84mm.svg')
    expect(rest.map(({ name }) => name)).toContain('chart/chart/etc/pass-wd-2.csv')
    expect(named('layer4-classes/tree/shrub').paper(300)).toContain('oak &amp; elm')
  })

  it('come with the numbers that they are drawn from', async () => {
    const files = await chartFiles([named('layer4-shares')])
    const csv = files.find(({ name }) => name.endsWith('.csv'))!.bytes.toString()
    const [head, first, ...rest] = csv.trimEnd().split('\r\n')
    expect(head).toBe('expert,measure,value,chance')
    expect(first).toBe(`0,weight,${findings.layers[0]!.share[0]},0.25`)
    expect(rest).toHaveLength(7)
  })

  it('are PDFs of that size, with embedded fonts, text and no pictures; the same each time', async () => {
    const once = await chartFiles([named('layer4-information')])
    const twice = await chartFiles([named('layer4-information')])
    const pdfs = once.filter(({ name }) => name.endsWith('.pdf'))
    expect(pdfs.map(({ name }) => name)).toEqual([84, 174].map(width => `layer4-information-${width}mm.pdf`))
    for (const [i, { bytes }] of pdfs.entries()) {
      const text = Buffer.from(bytes).toString('latin1')
      expect(text.startsWith('%PDF-1.7')).toBe(true)
      const [, width] = /\/MediaBox \[0 0 ([\d.]+) /.exec(text) ?? []
      expect(Number(width)).toBeCloseTo(([84, 174][i]! / 25.4) * 72, 1)
      expect(text).toMatch(/\/BaseFont \/\w+\+DejaVuSansCondensed/)
      expect(text).toContain('/FontFile2')
      expect(text).toContain('/ToUnicode')
      expect(text).not.toContain('/Subtype /Image')
      expect(
        Buffer.from(bytes).equals(Buffer.from(twice.find(({ name }) => name === pdfs[i]!.name)!.bytes)),
      ).toBe(true)
    }
  })
})
