import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gapFc } from 'moiety/moe'
import { describe, expect, it } from 'vitest'
import { shares, threeExperts } from '../examples/custom-constraint.ts'
import { contrastGate, twoExperts } from '../examples/custom-gate.ts'
import { trainVgg } from '../examples/custom-network.ts'
import { trainOnStripes } from '../examples/tiny-training.ts'

/** Numbers of the experts that computed an image of a faint class (0, 1) and of a bold one (2, 3). */
async function expertsByContrast(gate: typeof contrastGate) {
  const { accuracy, outputs, labels } = await trainOnStripes(twoExperts(gate), 60)
  const weights = outputs.get('mixture.weights')!.data
  const chosen = { faint: new Set<number>(), bold: new Set<number>() }
  for (const [image, label] of labels.data.entries()) {
    chosen[Number(label) < 2 ? 'faint' : 'bold'].add(Number(weights[2 * image]) > 0 ? 0 : 1)
  }
  return { accuracy, chosen }
}

describe('the example of a custom gate', () => {
  it('learns to give faint images to one expert and bold ones to the other', async () => {
    const { accuracy, chosen } = await expertsByContrast(contrastGate)
    expect(accuracy).toBeGreaterThan(0.95)
    expect([chosen.faint.size, chosen.bold.size]).toEqual([1, 1])
    expect(chosen.faint).not.toEqual(chosen.bold)
  })

  it('sees what channel means cannot: with GAP-FC one expert gets every image', async () => {
    const { chosen } = await expertsByContrast(gapFc)
    expect(chosen.faint.size).toBe(1)
    expect(chosen.faint).toEqual(chosen.bold)
  })
})

describe('the example of a custom constraint', () => {
  const wanted = [0.6, 0.3, 0.1]

  it('holds the shares that were asked for, and its counter is part of the state', async () => {
    const { accuracy, state } = await trainOnStripes(threeExperts(shares(wanted)), 80)
    const counter = [...state.get('mixture.constraint.a')!.data].map(Number)
    expect(accuracy).toBeGreaterThan(0.95)
    for (const [i, share] of counter.entries()) expect(Math.abs(share - wanted[i]!)).toBeLessThan(0.05)
  })

  it('does the holding: with weight 0 the shares go elsewhere', async () => {
    const { state } = await trainOnStripes(threeExperts(shares(wanted, 0)), 80)
    const counter = [...state.get('mixture.constraint.a')!.data].map(Number)
    const farthest = Math.max(...counter.map((share, i) => Math.abs(share - wanted[i]!)))
    expect(farthest).toBeGreaterThan(0.1)
  })
})

describe('the example of a custom network', () => {
  it('trains like a recipe, and is evaluated as trained and by one expert', async () => {
    const run = join(mkdtempSync(join(tmpdir(), 'moiety-vgg-')), 'run')
    const { trained, alone } = await trainVgg(run)
    expect(trained).toBeGreaterThan(0.95)
    expect(alone).toBeLessThanOrEqual(trained!)
    expect(existsSync(join(run, 'summary.json'))).toBe(true)
  })
})

describe('the examples', () => {
  it.each(['custom-gate', 'custom-constraint', 'custom-network'])(
    '%s fits on a screen: at most 65 lines',
    name => {
      const file = new URL(`../examples/${name}.ts`, import.meta.url)
      expect(readFileSync(file, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(65)
    },
  )
})
