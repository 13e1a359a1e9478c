import * as Plot from '@observablehq/plot'
import type { ImageLayer, LayerFindings } from '../analysis/findings.ts'
import { type Chart, type ChartFacts, draw } from './draw.ts'
import { percent } from './figures.ts'
import { narrow } from './matrix-charts.ts'
import { axisPercent } from './measure-charts.ts'
import { expertColour, tone } from './palette.ts'
import { stroke } from './paper.ts'

/** One expert's share after one epoch, the first of which is 1. */
interface Share {
  readonly epoch: number
  readonly expert: number
  readonly share: number
}

/** Each expert's mean gate weight after each epoch, with the line of an even split. */
export function trainingChart(
  label: string,
  { name, history, count }: Pick<LayerFindings, 'name' | 'history' | 'count'>,
): Chart {
  const shares = history.flatMap(({ epoch, importance }) => {
    const total = importance.reduce((a, b) => a + b, 0)
    return importance.map(
      (value, expert): Share => ({ epoch: epoch + 1, expert, share: total > 0 ? value / total : 0 }),
    )
  })
  const last = Math.max(...shares.map(({ epoch }) => epoch))
  const first = Math.min(...shares.map(({ epoch }) => epoch))
  const most = Math.max(1 / count, ...shares.map(({ share }) => share)) * 1.08
  const [top, bottom, height] = [22, 34, Math.max(254, 60 + 12 * count)]
  const pixels = height - top - bottom
  const ends = shares.filter(({ epoch }) => epoch === last)
  const places = spread(
    ends.map(({ share }) => (share / most) * pixels),
    11,
  )
  const colour = { value: (d: Share) => expertColour(d.expert), scale: null }
  const facts = {
    name: `${name}-training`,
    label,
    data: shares.map(({ epoch, expert, share }) => ({ epoch, expert, mean_gate_weight: share })),
    legend: [{ text: 'numbers: experts' }, stroke(tone('bad'), 'even split, 1 / E', '2 2')],
  }
  return draw(facts, {
    width: narrow,
    height,
    marginLeft: 38,
    marginRight: 40,
    marginTop: top,
    marginBottom: bottom,
    style: { fontSize: '11px' },
    x: {
      type: 'linear',
      domain: first === last ? [first - 1, last] : [first, last],
      label: 'epoch',
      labelArrow: 'none',
      ticks: Math.min(6, Math.max(1, last - first)),
      tickFormat: (value: number) => (Number.isInteger(value) ? String(value) : ''),
      tickSize: 0,
    },
    y: {
      domain: [0, most],
      ticks: 5,
      tickFormat: axisPercent,
      label: 'mean gate weight',
      labelArrow: 'none',
      tickSize: 0,
      grid: true,
    },
    marks: [
      Plot.ruleY([0], { stroke: tone('muted') }),
      Plot.ruleY([1 / count], { stroke: tone('bad'), strokeDasharray: '2 2' }),
      Plot.line(shares, { x: 'epoch', y: 'share', z: 'expert', stroke: colour, strokeWidth: 2 }),
      Plot.dot(shares, {
        x: 'epoch',
        y: 'share',
        r: history.length > 40 ? 0 : 2.2,
        fill: colour,
        title: (d: Share) => `epoch ${d.epoch}, expert ${d.expert}: ${percent(d.share)}`,
      }),
      ends.map((end, i) =>
        Plot.text([end], {
          x: 'epoch',
          y: () => ((places[i] ?? 0) / pixels) * most,
          text: (d: Share) => String(d.expert),
          dx: 14,
          fontWeight: 700,
          fill: colour,
        }),
      ),
    ],
  })
}

/**
 * Moves places apart until each is `least` from the next, keeping their order and, as far as it goes, their middle; none goes
 * below 0.
 */
export function spread(places: readonly number[], least: number): number[] {
  const order = Array.from(places.keys()).toSorted((a, b) => places[a]! - places[b]! || a - b)
  const moved = places.slice()
  for (let round = 0; round < 50; round++)
    for (const [i, at] of order.slice(1).entries()) {
      const below = order[i]!
      const short = least - (moved[at]! - moved[below]!)
      if (short <= 0) continue
      moved[at]! += short / 2
      moved[below]! -= short / 2
    }
  let floor = 0
  for (const at of order) {
    moved[at] = Math.max(moved[at]!, floor)
    floor = moved[at] + least
  }
  return moved
}

/** One image on the map. */
export interface Place {
  readonly x: number
  readonly y: number
  /** The expert with the largest weight. */
  readonly top: number
  /** The image's classes. */
  readonly labels: readonly number[]
}

/** UMAP of a gate's logits. */
export type LogitMap = NonNullable<ImageLayer['map']>

export function placesOf(map: LogitMap): Place[] {
  return map.images.flatMap((_, i) => {
    const [x, y, top, own] = [map.x[i], map.y[i], map.top[i], map.labels[i]]
    return x === undefined || y === undefined || top === undefined || own === undefined
      ? []
      : [{ x, y, top, labels: typeof own === 'number' ? [own] : own }]
  })
}

/** The whole map, or some of its images in the frame of the whole. */
export function mapChart(
  facts: Pick<ChartFacts, 'name' | 'label'>,
  places: readonly Place[],
  {
    frame,
    side,
    radius,
  }: { readonly frame: readonly Place[]; readonly side: number; readonly radius: number },
): Chart {
  const range = (values: readonly number[]): [number, number] => {
    const [low, high] = [Math.min(...values), Math.max(...values)]
    const room = Math.max((high - low) * 0.03, 1e-6)
    return [low - room, high + room]
  }
  const data = places.map(({ x, y, top, labels }) => ({ x, y, top_expert: top, labels: labels.join(' ') }))
  const legend = [{ text: 'UMAP of the gate’s logits; numbers: the expert with the most weight' }]
  return draw({ ...facts, data, legend }, width => ({
    width: width ?? side,
    height: Math.min(width ?? side, highest),
    margin: 1,
    x: { axis: null, domain: range(frame.map(({ x }) => x)) },
    y: { axis: null, domain: range(frame.map(({ y }) => y)) },
    marks: [
      Plot.frame({ stroke: tone('line'), rx: 4 }),
      Plot.dot(places, {
        x: 'x',
        y: 'y',
        r: radius,
        fillOpacity: 0.75,
        fill: { value: (d: Place) => expertColour(d.top), scale: null },
      }),
      numbersOfExperts(places, (width ?? side) > 300),
    ],
  }))
}

/** A map that is wider than this is no taller: it would fill a page. */
const highest = 560

/** Where an expert's number stands. */
type Middle = Pick<Place, 'x' | 'y' | 'top'>

/** Each expert's number in the middle of its images, with a halo. */
function numbersOfExperts(places: readonly Place[], wanted: boolean): Plot.Markish | null {
  if (!wanted) return null
  const experts = [...new Set(places.map(({ top }) => top))].toSorted((a, b) => a - b)
  const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
  const middles = experts.map((top): Middle => {
    const own = places.filter(place => place.top === top)
    return { x: median(own.map(({ x }) => x)), y: median(own.map(({ y }) => y)), top }
  })
  return Plot.text(middles, {
    x: 'x',
    y: 'y',
    text: (d: Middle) => String(d.top),
    fontSize: 20,
    fontWeight: 700,
    fill: tone('ink'),
    stroke: tone('paper'),
    strokeWidth: 5,
  })
}
