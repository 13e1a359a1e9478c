import * as Plot from '@observablehq/plot'
import type { LayerFindings } from '../analysis/findings.ts'
import type { Tested } from '../analysis/permutation-test.ts'
import { type Chart, type ChartFacts, draw } from './draw.ts'
import { bits } from './figures.ts'
import { shown } from './markup.ts'
import { narrow } from './matrix-charts.ts'
import { tone } from './palette.ts'
import { upright } from './paper.ts'

/** One bar of the information chart. */
interface Quantity {
  readonly name: string
  readonly value: number
  readonly chance: number | null
  readonly chance95: number | null
  readonly fill: string
}

/**
 * How much there is to know about the expert of what is routed, and how much of it each grouping tells. Where a group is a
 * function of the image its bar is within that of the image: I(superclass; expert) ≤ I(class; expert) ≤ I(image; expert) ≤
 * H(mean weights) ≤ log2 E.
 */
export function informationChart(
  label: string,
  { name: layer, groupings, dependence, count, inputs }: LayerFindings,
): Chart {
  const none = { chance: null, chance95: null }
  const input = inputs === 1 ? 'image' : 'image and level'
  const quantities: Quantity[] = [
    { name: `Most for E = ${count}: log₂ E`, value: dependence.most, ...none, fill: tone('faint') },
    { name: 'Balance: H(mean weights)', value: dependence.ofMean, ...none, fill: tone('line') },
    {
      name: `The ${input}: I(${input}; expert)`,
      value: dependence.bits,
      ...none,
      fill: tone('muted'),
    },
    ...groupings.flatMap(({ name, information }) =>
      information === null
        ? []
        : [
            {
              name: `The ${name}: I(${name}; expert)`,
              value: information.value,
              chance: information.chance,
              chance95: information.chance95,
              fill: tone('ink'),
            },
          ],
    ),
  ]
  return informationBars({ name: `${layer}-information`, label }, quantities, dependence.most)
}

/**
 * What attributes of images tell about the expert, each alone and, below, among images that share their classes (of a layer that
 * routes levels, among inputs of one level).
 */
export function attributesChart(
  label: string,
  { name: layer, attributes }: Pick<LayerFindings, 'name' | 'attributes'>,
): Chart {
  const bar = (name: string, tested: Tested | null, fill: string): Quantity[] =>
    tested === null
      ? []
      : [{ name, value: tested.value, chance: tested.chance, chance95: tested.chance95, fill }]
  const quantities = attributes.flatMap(({ name, information, givenLevel, givenClass, classGiven }) => {
    const own = shown(name)
    return [
      ...bar(`${own}: I(${own}; expert)`, information, tone('ink')),
      ...bar(`${own}, given the level`, givenLevel, tone('muted')),
      ...bar(`${own}, given the class`, givenClass, tone('muted')),
      ...bar(`the class, given ${own}`, classGiven, tone('line')),
    ]
  })
  const most = Math.max(...quantities.map(({ value, chance95 }) => Math.max(value, chance95 ?? 0)))
  return informationBars({ name: `${layer}-attributes`, label }, quantities, most)
}

function informationBars(
  about: Pick<ChartFacts, 'name' | 'label'>,
  quantities: readonly Quantity[],
  most: number,
): Chart {
  const row = 40
  const height = quantities.length * row + 34
  const tested = quantities.filter(({ chance }) => chance !== null)
  const y = (d: Quantity): string => d.name
  const facts = {
    ...about,
    data: quantities.map(({ name, value, chance, chance95 }) => ({
      quantity: name,
      bits: value,
      chance_mean: chance,
      chance_95th_percentile: chance95,
    })),
    legend: [upright(tone('bad'), 'shuffled: mean, and up to the 95th percentile')],
  }
  return draw(facts, {
    width: narrow,
    height,
    marginLeft: 14,
    marginRight: 14,
    marginTop: 0,
    marginBottom: 34,
    style: { fontSize: '11px' },
    x: {
      domain: [0, Math.max(most, 0.01)],
      ticks: 5,
      label: 'bits',
      tickSize: 0,
      labelArrow: 'none',
    },
    y: { axis: null, type: 'band', domain: quantities.map(y), padding: 0 },
    marks: [
      Plot.barX(quantities, {
        x: 'value',
        y,
        fill: { value: (d: Quantity) => d.fill, scale: null },
        insetTop: 21,
        insetBottom: 6,
      }),
      Plot.text(quantities, { frameAnchor: 'left', y, text: 'name', textAnchor: 'start', dy: -9, dx: -6 }),
      Plot.text(quantities, {
        frameAnchor: 'right',
        y,
        text: (d: Quantity) => bits(d.value),
        textAnchor: 'end',
        dy: -9,
        dx: 6,
        fontVariant: 'tabular-nums',
        fontWeight: 600,
      }),
      ...chanceMarks(tested, y),
    ],
  })
}

/** The mean of chance as a tick that stands out of the bar, and a thin line to its 95th percentile. */
function chanceMarks(tested: readonly Quantity[], y: (d: Quantity) => string): Plot.Markish[] {
  const tick = { y, x: 'chance', insetTop: 18, insetBottom: 3 }
  const line = { y, x1: 'chance', x2: 'chance95', dy: 7.5 }
  return [
    Plot.ruleY(tested, { ...line, stroke: tone('paper'), strokeWidth: 3.5 }),
    Plot.tickX(tested, { ...tick, stroke: tone('paper'), strokeWidth: 4 }),
    Plot.ruleY(tested, { ...line, stroke: tone('bad'), strokeWidth: 1.5 }),
    Plot.tickX(tested, { ...tick, stroke: tone('bad'), strokeWidth: 2 }),
  ]
}

export function axisPercent(value: number): string {
  return `${Number((100 * value).toFixed(1))} %`
}
