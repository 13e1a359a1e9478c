import * as Plot from '@observablehq/plot'
import type { MeasureDefinition } from '../metrics/measure.ts'
import type { LearningPoint } from '../run/learning-curve.ts'
import type { TitledChart } from './cost-charts.ts'
import { draw, sign } from './draw.ts'
import { fixed, whole } from './figures.ts'
import { fitted, html, type Markup, name, shown } from './markup.ts'
import { expertColour } from './palette.ts'
import { stroke } from './paper.ts'

/** Runs that differ in nothing but the seed. */
export interface CurveSeries {
  readonly name: string
  readonly runs: readonly (readonly LearningPoint[])[]
  /** Of its colour. */
  readonly shade: number
}

/** What runs reached after an epoch: mean over those that have it, and the standard deviation of the sample. */
export interface BandPoint {
  readonly epoch: number
  readonly mean: number
  /** Null for a single run. */
  readonly deviation: number | null
  readonly runs: number
}

/** By epoch, in order; epochs of which no run has a value are left out. */
export function bandOf(
  runs: readonly (readonly LearningPoint[])[],
  value: (point: LearningPoint) => number | null | undefined,
): BandPoint[] {
  const values = new Map<number, number[]>()
  for (const run of runs) {
    // Of an epoch that was evaluated again after a resume, the last.
    const own = new Map<number, number>()
    for (const point of run) {
      const one = value(point)
      if (typeof one === 'number' && Number.isFinite(one)) own.set(point.epoch, one)
    }
    for (const [epoch, one] of own) values.set(epoch, [...(values.get(epoch) ?? []), one])
  }
  return [...values]
    .sort(([a], [b]) => a - b)
    .map(([epoch, all]) => {
      const mean = all.reduce((sum, one) => sum + one, 0) / all.length
      const squares = all.reduce((sum, one) => sum + (one - mean) ** 2, 0)
      const deviation = all.length < 2 ? null : Math.sqrt(squares / (all.length - 1))
      return { epoch, mean, deviation, runs: all.length }
    })
}

/** Loss, and the measure that ranks runs, by epoch: solid on held-out images, dashed on training images. */
export function learningCharts(
  series: readonly CurveSeries[],
  ranking: MeasureDefinition | undefined,
): TitledChart[] {
  const scale = ranking?.format === 'percent' ? 100 : 1
  const unit = ranking?.format === 'percent' ? `${ranking.label}, %` : (ranking?.label ?? '')
  return [
    ...(ranking === undefined
      ? []
      : curves(
          {
            file: 'learning-curves',
            title: `Learning curves: ${ranking.title}`,
            measure: ranking.name,
            scale,
            axis: unit,
            bounds: ranking.format === 'percent' ? [0, 1] : free,
          },
          series,
          ({ measures }) => measures[ranking.name],
        )),
    ...curves(
      {
        file: 'learning-curves-loss',
        title: 'Learning curves: loss',
        measure: 'loss',
        scale: 1,
        axis: 'loss',
        bounds: [0, Number.POSITIVE_INFINITY],
      },
      series,
      ({ loss }) => loss,
    ),
  ]
}

const free = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const

function curves(
  {
    file,
    title,
    measure,
    scale,
    axis,
    bounds: [least, limit],
  }: {
    readonly file: string
    readonly title: string
    /** Of the data. */
    readonly measure: string
    /** What it is multiplied by on the axis. */
    readonly scale: number
    readonly axis: string
    /** Of what a value can be. */
    readonly bounds: readonly [number, number]
  },
  series: readonly CurveSeries[],
  value: (point: LearningPoint) => number | null | undefined,
): TitledChart[] {
  const lines = series.flatMap(({ name: own, shade, runs }) =>
    ([false, true] as const).map(isTraining => ({
      name: own,
      shade,
      isTraining,
      points: bandOf(
        runs.map(run => run.filter(({ split }) => (split === 'train') === isTraining)),
        value,
      ),
    })),
  )
  const known = lines.filter(({ points }) => points.length > 0)
  if (known.length === 0) return []
  const most = Math.max(...known.flatMap(({ points }) => points.map(({ runs }) => runs)))
  const isBoth = known.some(({ isTraining }) => isTraining)
  const means = known.flatMap(({ points }) => points.map(({ mean }) => scale * mean))
  const band = most > 1 ? ' Bands are the mean ± the standard deviation over seeds.' : ''
  const epochs = known.flatMap(({ points }) => points.map(({ epoch }) => epoch + 1))
  const x = ({ epoch }: BandPoint): number => epoch + 1
  const y = ({ mean }: BandPoint): number => scale * mean
  const within = {
    x,
    y1: ({ mean, deviation }: BandPoint) => scale * Math.max(least, mean - deviation!),
    y2: ({ mean, deviation }: BandPoint) => scale * Math.min(limit, mean + deviation!),
  }
  const facts = {
    name: file,
    label: title,
    data: known.flatMap(({ name: runs, isTraining, points }) =>
      points.map(({ epoch, mean, deviation, runs: seeds }) => ({
        ...{ runs, images: isTraining ? 'training' : 'held-out', epoch: epoch + 1 },
        ...{ [measure]: mean, standard_deviation: deviation, seeds },
      })),
    ),
    legend: [
      ...(series.length < 2
        ? []
        : series.map(({ name: own, shade }) => stroke(expertColour(shade), fitted(shown(own), 48)))),
      { text: `${isBoth ? 'thick: held-out images; thin: training images.' : 'Held-out images.'}${band}` },
    ],
  }
  return [
    {
      title,
      sentence: `After each epoch${isBoth ? ': solid on held-out images, dashed on training images while they were learned from' : ', on held-out images'}.${band}`,
      drawn: draw(facts, width => ({
        ...{ width: width ?? 420, height: 300, marginLeft: 52, marginBottom: 40, marginRight: 16 },
        x: { label: 'epoch', ticks: wholeTicks(Math.max(...epochs)), tickFormat: 'd', labelArrow: 'none' },
        y: {
          ...{ label: axis, grid: true, nice: true, labelArrow: 'none' },
          // An axis of one value has no length: it goes to 0, or from 0 to 1.
          ...(means.every(mean => mean === means[0]) && most < 2
            ? { domain: means[0] === 0 ? [0, 1] : [Math.min(0, means[0]!), Math.max(0, means[0]!)] }
            : {}),
        },
        marks: known.flatMap(({ shade, isTraining, points }) => {
          const colour = expertColour(shade)
          const wide = points.filter(({ deviation }) => deviation !== null)
          // On paper dashes tell series apart (`greyscale.ts`), and the width tells the images.
          const isDashed = isTraining && width === null
          return [
            ...(wide.length === 0
              ? []
              : [Plot.areaY(wide, { ...within, fill: colour, fillOpacity: isTraining ? 0.1 : 0.22 })]),
            Plot.line(points, {
              ...{ x, y, stroke: colour, strokeWidth: isTraining ? 1.25 : 2 },
              ...(isDashed ? { strokeDasharray: '4 3' } : {}),
            }),
            // A line, or a band, through one point is not seen.
            ...(points.length === 1
              ? [
                  Plot.dot(points, { x, y, r: 3, fill: colour }),
                  Plot.ruleX(wide, { ...within, stroke: colour, strokeWidth: 1.5 }),
                ]
              : []),
          ]
        }),
      })),
      heads: ['Runs', 'images', 'epoch', axis, 's.d.', 'seeds'],
      rows: known.flatMap(({ name: own, isTraining, points }) =>
        points.map(({ epoch, mean, deviation, runs }) => [
          shown(own),
          isTraining ? 'training' : 'held-out',
          whole(epoch + 1),
          fixed(scale * mean, 3),
          deviation === null ? '–' : fixed(scale * deviation, 3),
          whole(runs),
        ]),
      ),
    },
  ]
}

/** Whole numbers from 1 to at most 8 places, the same distance apart. */
function wholeTicks(most: number): number[] {
  const step = Math.max(1, Math.ceil(most / 8))
  return Array.from({ length: Math.floor(most / step) }, (_, at) => (at + 1) * step)
}

/** Which colour is which series; none for one. */
export function curveLegend(series: readonly CurveSeries[]): Markup | null {
  if (series.length < 2) return null
  return html`<ul class="kinds">${series.map(({ name: own, shade }) => {
    const line = Plot.ruleY([0.5], { stroke: expertColour(shade), strokeWidth: 3 })
    return html`<li>${sign(own, [line])}${name(fitted(shown(own), 48))}</li>`
  })}</ul>`
}
