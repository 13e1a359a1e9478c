import { describe, expect, it } from 'vitest'
import type { Latency } from '../run/latency.ts'
import { learningCurveOf } from '../run/learning-curve.ts'
import { classificationMeasures } from '../tasks/classification/measures.ts'
import { costCharts } from './cost-charts.ts'
import { bandOf, learningCharts } from './learning-charts.ts'

const line = (epoch: number, split: string, top1: number, loss = 1) => ({
  ...{ kind: 'epoch', epoch, step: epoch + 1, split, loss, taskLoss: loss, auxLoss: 0, seconds: 2 },
  ...{ top1, layers: [] },
})

describe('learning curves', () => {
  it('are read from the log: epochs with their measures', () => {
    const lines = [{ kind: 'step', step: 1, loss: 3 }, line(0, 'train', 0.25, 2), line(0, 'val', 0.5)]
    expect(learningCurveOf(lines)).toEqual([
      { epoch: 0, split: 'train', loss: 2, measures: { top1: 0.25 } },
      { epoch: 0, split: 'val', loss: 1, measures: { top1: 0.5 } },
    ])
  })

  it('have the mean and the standard deviation over seeds, epoch by epoch', () => {
    const run = (...values: number[]) =>
      learningCurveOf(values.map((top1, epoch) => line(epoch, 'val', top1)))
    const of = bandOf([run(0.1, 0.4), run(0.3, 0.6), run(0.2)], ({ measures }) => measures.top1)
    expect(of).toEqual([
      { epoch: 0, mean: expect.closeTo(0.2, 12), deviation: expect.closeTo(0.1, 12), runs: 3 },
      { epoch: 1, mean: 0.5, deviation: expect.closeTo(Math.SQRT2 / 10, 12), runs: 2 },
    ])
    // An epoch that was tested again after a resume counts once.
    const again = learningCurveOf([line(0, 'val', 0.1), line(0, 'val', 0.2)])
    expect(bandOf([again], ({ measures }) => measures.top1)).toEqual([
      { epoch: 0, mean: 0.2, deviation: null, runs: 1 },
    ])
  })

  it('are drawn with a band where there are several seeds, and not at all without a log', () => {
    const curve = (shift: number) =>
      [0, 1, 2].flatMap(epoch =>
        learningCurveOf([line(epoch, 'train', 0.1 * epoch + shift), line(epoch, 'val', 0.2 * epoch + shift)]),
      )
    const charts = (...runs: ReturnType<typeof curve>[]) =>
      learningCharts([{ name: 'a', shade: 0, runs }], classificationMeasures[0])
    const areas = (text: string) => text.split('aria-label="area"').length - 1
    const [alone, both] = [charts(curve(0)), charts(curve(0), curve(0.1))]
    const files = both.flatMap(({ drawn }) => drawn.svg.charts)
    expect(files.map(({ name }) => name)).toEqual(['learning-curves', 'learning-curves-loss'])
    expect(files[0]!.data[2]).toEqual({
      ...{ runs: 'a', images: 'held-out', epoch: 3, seeds: 2 },
      ...{ top1: 0.45, standard_deviation: expect.closeTo(0.1 / Math.SQRT2, 12) },
    })
    expect(areas(alone[0]!.drawn.svg.text)).toBe(0)
    expect(areas(both[0]!.drawn.svg.text)).toBe(2)
    expect(both[0]!.sentence).toContain('standard deviation over seeds')
    expect(both[0]!.rows[2]).toEqual(['a', 'held-out', '3', '45.000', '7.071', '2'])
    expect(charts([])).toEqual([])
  })
})

describe('accuracy and cost', () => {
  const latency: Latency = {
    ...{ version: 1, threads: 2, rounds: 9, processor: 'Some CPU', runtime: '1.2' },
    forms: [
      { routing: 'sparse', batch: 1, median: 2, least: 1, most: 3 },
      { routing: 'dense', batch: 128, median: 128, least: 64, most: 256 },
    ],
  }
  const point = { shade: 0, symbol: 'circle' as const, score: 0.5, multiplyAdds: 2e9 }

  const ranking = { name: 'top1', scale: 100, axis: 'top-1, %' }
  const of = (median: number, least: number, most: number) => ({
    ...{ run: 'a', top1: 0.5 },
    ...{ median_ms_an_image: median, least_ms_an_image: least, most_ms_an_image: most },
  })

  it('are drawn for what is known, times for one image with threads and processor', () => {
    const charts = costCharts(
      [
        { ...point, name: 'a', latency },
        { ...point, name: 'b', latency: null, multiplyAdds: null },
        { ...point, name: 'c', latency, score: null },
      ],
      ranking,
      [],
    )
    const files = charts.flatMap(({ drawn }) => drawn.svg.charts)
    expect(files.map(({ name }, at) => [name, charts[at]!.rows])).toEqual([
      ['accuracy-multiply-adds', [['a', '50.000', '2.00\u202fG']]],
      ['accuracy-latency-batch-1', [['a', 'sparse', '50.000', '2.000', '1.000', '3.000']]],
      ['accuracy-latency-batch-128', [['a', 'dense', '50.000', '1.000', '0.500', '2.000']]],
    ])
    expect(charts[1]!.sentence).toContain('2 threads of Some CPU, medians of 9 runs')
    expect(files.map(({ data }) => data)).toEqual([
      [{ run: 'a', multiply_adds: 2e9, top1: 0.5 }],
      [{ ...of(2, 1, 3), routing: 'sparse' }],
      [{ ...of(1, 0.5, 2), routing: 'dense' }],
    ])
    expect(costCharts([], ranking, [])).toEqual([])
  })
})
