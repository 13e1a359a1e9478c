import { describe, expect, it } from 'vitest'
import { addStepLine, stepCurves } from '../src/watch/log-content.ts'
import { StepBuckets } from '../src/watch/step-buckets.ts'
import { joined } from '../web/watch/joined-curves.ts'
import { commonLayer, shownLayer } from '../web/watch/layers.ts'
import { readSettings, writeSettings } from '../web/watch/settings.ts'
import { sharesOf } from '../web/watch/share-history.ts'
import { smoothed } from '../web/watch/smoothing.ts'
import { measure, tickTexts } from '../web/watch/text.ts'

/** What the page of `moiety watch` computes. */

describe('smoothing', () => {
  it('is a moving average without the bias of its start, and passes over gaps', () => {
    expect(smoothed([1, 2, null, 3], 0)).toEqual([1, 2, null, 3])
    // Weights 0.5 and 1, divided by their sum; then 0.25, 0.5 and 1.
    const [first, second, gap, third] = smoothed([1, 4, null, 8], 0.5)
    expect([first, gap]).toEqual([1, null])
    expect(second).toBeCloseTo((0.5 * 1 + 4) / 1.5, 12)
    expect(third).toBeCloseTo((0.25 * 1 + 0.5 * 4 + 8) / 1.75, 12)
    expect(smoothed([3, 3, 3], 0.9).map(value => Number(value!.toFixed(9)))).toEqual([3, 3, 3])
  })
})

describe('steps that come later', () => {
  it('are joined to those that are known, as if all had come at once', () => {
    const buckets = new StepBuckets(16)
    const state = { generation: 1, isWhole: true, tests: [] }
    const add = (from: number, to: number): void => {
      for (let step = from; step <= to; step++) {
        const layers = {
          layer4: {
            shares: [0.5, 0.5],
            ...(step > 40 ? { excluded: [1] } : {}),
            counters: { r: [step, -step] },
          },
        }
        addStepLine(buckets, { kind: 'step', step, loss: step, ...(step > 40 ? { late: 1 } : {}), layers })
      }
    }
    add(1, 38)
    const before = stepCurves(buckets, state, { layers: true })
    const since = Math.floor(before.steps.at(-1)! / before.width)
    add(39, 60)
    const more = stepCurves(buckets, state, { since, layers: true })
    expect(more.width).toBe(before.width)
    const all = stepCurves(buckets, state, { layers: true })
    const found = joined(before, more, since)
    expect(found.steps).toEqual(all.steps)
    expect(found.curves).toEqual(all.curves)
    expect(found.layers[0]!.shares).toEqual(all.layers[0]!.shares)
    expect(found.layers[0]!.counters).toEqual(all.layers[0]!.counters)
    // Before the first exclusion the page had no rows of them.
    expect(found.layers[0]!.excluded!.slice(-5)).toEqual(all.layers[0]!.excluded!.slice(-5))
  })
})

describe('shares', () => {
  it('are of steps, and of epochs where a log has them for epochs alone', () => {
    const layer = {
      name: 'layer4',
      importance: [0.25, 0.75],
      activation: [],
      excluded: [],
      counters: {},
      cvImportance: 0,
      active: 2,
    }
    const epoch = { epoch: 0, loss: 1, seconds: 1, measures: {}, layers: [layer] }
    const epochs = [
      { ...epoch, step: 10, split: 'train' },
      { ...epoch, step: 10, split: 'val' },
    ]
    const log = { isWhole: true, lines: 2, damaged: 0, damagedLines: [], nonFinite: 0, repeated: 0 }
    const details = {
      id: '',
      epochs,
      alarms: [],
      tests: [],
      noPictures: null,
      config: {},
      environment: {},
      log,
    }
    expect(sharesOf(undefined, details, 'layer4')).toEqual({ steps: [10], shares: [[0.25, 0.75]] })
    expect(sharesOf(undefined, details, 'layer3')).toEqual({ steps: [], shares: [] })
    const buckets = new StepBuckets(16)
    addStepLine(buckets, { kind: 'step', step: 1, layers: { layer4: { shares: [1, 0] } } })
    const curves = stepCurves(buckets, { generation: 1, isWhole: true, tests: [] }, { layers: true })
    expect(sharesOf(curves, details, 'layer4')).toEqual({ steps: [1], shares: [[1, 0]] })
  })
})

describe('the address of the page', () => {
  it('has what is shown, and anything else in it is passed over', () => {
    const settings = readSettings('#run=a%2Fb&run=c&focus=c&smooth=0.9&log&all&layer=layer4')
    expect(settings).toEqual({
      runs: new Set(['a/b', 'c']),
      focus: 'c',
      smoothing: 0.9,
      isLog: true,
      isMore: true,
      layer: 'layer4',
    })
    expect(writeSettings(settings)).toBe('#run=a%2Fb&run=c&focus=c&smooth=0.9&log&all&layer=layer4')
    const usual = readSettings('#smooth=7&x=<b>')
    expect(usual).toEqual({
      runs: undefined,
      focus: undefined,
      smoothing: 0.6,
      isLog: false,
      isMore: false,
      layer: undefined,
    })
    expect(writeSettings(usual)).toBe('')
    expect(readSettings(writeSettings({ ...usual, runs: new Set() })).runs).toEqual(new Set())
  })
})

describe('the texts of an axis', () => {
  const text = (value: number): string => measure('AP', value)

  it('have as many digits as tell its lines apart', () => {
    expect(tickTexts([0.1, null, 0.2], text)).toEqual(['0.100', '', '0.200'])
    expect(tickTexts([0.0098, 0.01, 0.0102], text)).toEqual(['0.0098', '0.01', '0.0102'])
  })
})

describe('the layer that is shown', () => {
  it('is the one that most runs have, and of a run without it its own last', () => {
    const detector = ['head.classification_head', 'head.regression_head']
    expect(commonLayer([['layer4'], detector, ['layer1', 'layer4']])).toBe('layer4')
    expect(commonLayer([detector])).toBe('head.regression_head')
    expect(commonLayer([[], []])).toBeUndefined()
    expect(shownLayer(detector, 'layer4')).toBe('head.regression_head')
    expect(shownLayer(detector, 'head.classification_head')).toBe('head.classification_head')
    expect(shownLayer([], 'layer4')).toBeUndefined()
  })
})
