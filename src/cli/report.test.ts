import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { LayerSummary, TrainSummary } from '../run/events.ts'
import { trainReport } from './report.ts'
import { painter } from './screen.ts'

const plain = painter({ write: () => true })
const colourful = painter({ isTTY: true, hasColors: () => true, write: () => true })

const layer = (experts: number, excluded: number): LayerSummary => ({
  counters: {},
  name: 'layer4',
  importance: Array.from({ length: experts }, () => 1 / experts),
  activation: Array.from({ length: experts }, () => 2 / experts),
  cvImportance: 0.0831,
  cvActivation: 0.0522,
  active: experts,
  excluded: Array.from({ length: experts }, () => excluded),
  preferred: Array.from({ length: experts }, (_, expert) => ({
    expert,
    classes: Array.from({ length: 9 }, (_, i) => ({
      name: `class-with-a-long-name-${i}`,
      weight: 0.2,
      lift: 3 - i / 4,
    })),
  })),
})

const summary = (fields: Partial<TrainSummary> = {}): TrainSummary => ({
  run: 'runs/sample-1',
  interrupted: false,
  split: 'test',
  measures: { top1: 0.7134, top5: 0.9312 },
  seconds: 214,
  cost: { parameters: 1000, activeParameters: 600, multiplyAdds: 50_000 },
  layers: [layer(4, 0), layer(10, 0.25)],
  ...fields,
})

describe('the report of a training', () => {
  const text = trainReport(summary(), plain)

  it('has accuracy, shares, active experts, CV, preferred classes and the folder', () => {
    for (const part of [
      'On held-out images   71.3 % top-1   93.1 % top-5',
      '4 of 4 experts active   CV 0.083 of weight, 0.052 of selection',
      '25.0 %',
      'class-with-a-long-name-0 ×3.0',
      'Done in 3 min 34 s. Everything is in runs/sample-1',
    ])
      expect(text).toContain(part)
  })

  it('fits into 80 columns, however many experts and classes there are', () => {
    for (const line of trainReport(summary({ layers: [layer(4, 0), layer(100, 0.25)] }), plain).split('\n'))
      expect([...line].length).toBeLessThanOrEqual(80)
  })

  it('shows how often hard constraints excluded an expert, and only then', () => {
    expect(trainReport(summary({ layers: [layer(4, 0)] }), plain)).not.toContain('excluded')
    expect(trainReport(summary({ layers: [layer(4, 0.25)] }), plain)).toContain('excluded')
  })

  it('says the same without colours', () => {
    const coloured = trainReport(summary(), colourful)
    expect(coloured).toContain('\u001b[')
    expect(stripVTControlCharacters(coloured)).toBe(text)
    expect(text).not.toContain('\u001b')
  })

  it('says how to go on after an interruption', () => {
    const interrupted = trainReport(summary({ interrupted: true, run: 'my runs/a' }), plain)
    expect(interrupted).toContain("npx moiety train --resume --out 'my runs/a'")
    const own = trainReport(summary({ interrupted: true }), plain, ['/a b/own.js', '/c.js'])
    expect(own).toContain("npx moiety train --resume --out runs/sample-1 --use '/a b/own.js' --use /c.js")
  })

  it('says how to see more, where there are experts and the training is done', () => {
    expect(text).toContain('npx moiety explain runs/sample-1')
    expect(trainReport(summary(), plain, ['/c.js'])).toContain('npx moiety explain runs/sample-1 --use /c.js')
    expect(trainReport(summary({ layers: [] }), plain)).not.toContain('explain')
    expect(trainReport(summary({ interrupted: true }), plain)).not.toContain('explain')
  })

  it('has AP, as COCO counts it, where the network finds objects', () => {
    const nothing = { AR1: null, AR10: null, AR100: null, ARs: null, ARm: null, ARl: null }
    const detection = { AP: 0.3844, AP50: 0.585, AP75: 0.401, APs: 0.157, APm: 0.403, APl: null, ...nothing }
    const found = trainReport(summary({ measures: detection }), plain)
    expect(found.split('\n')[0]).toBe(
      'On held-out images   AP 0.384   AP50 0.585   APs 0.157   APm 0.403   APl –',
    )
    expect(found).not.toContain('top-1')
  })

  it('is short for a network without experts', () => {
    expect(trainReport(summary({ layers: [] }), plain).split('\n')).toHaveLength(3)
  })
})
