import { describe, expect, it } from 'vitest'
import { type ComparedRun, groupsOf } from '../analysis/comparison.ts'
import { renderComparison } from './comparison-page.ts'
import { leadingConfiguration } from './leading-configuration.ts'

const run = (configuration: string, seed: number, score: number): ComparedRun => ({
  task: 'classification',
  run: `${configuration}-${seed}`,
  recipe: null,
  seed,
  step: 10,
  checkpoint: 'step 10',
  isBest: false,
  configuration,
  extensions: [],
  data: { title: 'images', identity: 'd1', images: 100 },
  measures: { top1: score, top5: 0.8 },
  score,
  parameters: 100,
  activeParameters: 100,
  multiplyAdds: 1000,
  latency: null,
  learning: [],
  seconds: 60,
  layers: [],
})

const seeds = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe('the configuration that is called most accurate', () => {
  it('has two seeds too few, whatever the difference: p = 2/2², and 2/2² is no evidence', () => {
    const runs = seeds(2).flatMap(seed => [run('a', seed, 0.9), run('b', seed, 0.1)])
    const found = leadingConfiguration(groupsOf(runs))!
    expect(found).toMatchObject({ p: 0.5, pairs: 2, isBeyondChance: false })
    const page = renderComparison(runs)
    expect(page).not.toContain('Best by')
    expect(page).toContain('cannot be determined from these seeds')
  })

  it('is named where six seeds agree, with the test: p = 2/2⁶', () => {
    const runs = seeds(6).flatMap(seed => [run('a', seed, 0.6 + seed / 100), run('b', seed, 0.5)])
    expect(leadingConfiguration(groupsOf(runs))).toMatchObject({ p: 2 / 64, pairs: 6, isBeyondChance: true })
    const page = renderComparison(runs)
    expect(page).toContain('Best by')
    expect(page).toContain('p = 0.031')
  })

  it('is held against each of several, times as many: 2 · 2/2⁶ is too much', () => {
    const runs = seeds(6).flatMap(seed => [run('a', seed, 0.6), run('b', seed, 0.5), run('c', seed, 0.4)])
    expect(leadingConfiguration(groupsOf(runs))).toMatchObject({ p: 4 / 64, isBeyondChance: false })
  })

  it('is not named for seeds that only it has', () => {
    const runs = [...seeds(6).map(seed => run('a', seed, 0.9)), run('b', 77, 0.1)]
    expect(leadingConfiguration(groupsOf(runs))).toMatchObject({ p: 1, pairs: 0, isBeyondChance: false })
    expect(renderComparison(runs)).toContain('have no seed in common')
  })

  it('is the only one where there is one', () => {
    expect(leadingConfiguration(groupsOf([run('a', 1, 0.5)]))!.second).toBeUndefined()
    expect(leadingConfiguration([])).toBeUndefined()
    expect(renderComparison([run('a', 1, 0.5)])).toContain('One configuration')
  })
})
