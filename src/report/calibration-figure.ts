import * as Plot from '@observablehq/plot'
import type { CalibrationFindings } from '../analysis/findings.ts'
import { type Chart, draw } from './draw.ts'
import { fixed, percent, whole } from './figures.ts'
import type { Markup } from './markup.ts'
import { narrow } from './matrix-charts.ts'
import { axisPercent } from './measure-charts.ts'
import { tone } from './palette.ts'
import { stroke, swatch } from './paper.ts'
import { chart, figure, numbers } from './parts.ts'

type Bin = CalibrationFindings['bins'][number]

/** How the calibration of one task's answers is worded. */
export interface CalibrationWords {
  /** What has a confidence: `answers`, `labels`. */
  readonly items: string
  /** What the vertical axis counts: `right`, `shown by the image`. */
  readonly right: string
  /** What the confidences are: `the probability of the class that is named`. */
  readonly confidence: string
}

/** The reliability diagram with its sentence and its numbers. */
export function calibrationFigure(calibration: CalibrationFindings, words: CalibrationWords): Markup {
  const { ece, mce, confidence, accuracy, bins } = calibration
  const title = 'Reliability of the confidences'
  if (ece === null || confidence === null || accuracy === null)
    return figure({ title, sentence: `There are no ${words.items} to count.`, body: null })
  const lean =
    Math.abs(confidence - accuracy) < 0.005
      ? 'On the whole they claim what comes true.'
      : confidence > accuracy
        ? 'On the whole they claim too much: the network is overconfident.'
        : 'On the whole they claim too little: the network is underconfident.'
  return figure({
    title,
    sentence: `Of ${words.items} in each bin of ${words.confidence}, the per cent that are ${words.right}; on the dashed line confidences would be exactly right. The mean confidence is ${percent(confidence)}, and ${percent(accuracy)} are ${words.right}. ${lean} The expected calibration error is ${fixed(ece, 3)}, the largest of a bin ${fixed(mce, 3)}.`,
    body: chart(
      reliabilityChart(`Reliability diagram: expected calibration error ${fixed(ece, 3)}`, bins, words),
    ),
    after: numbers({
      caption: 'Bins of confidence',
      heads: ['Confidence', words.items, 'mean confidence', words.right],
      rows: bins.map(bin => [
        `${fixed(bin.from, 2)} to ${fixed(bin.to, 2)}`,
        whole(bin.count),
        percent(bin.confidence),
        percent(bin.accuracy),
      ]),
    }),
  })
}

/** Below the diagram, how many answers each bin has. */
const strip = 46

function reliabilityChart(label: string, bins: readonly Bin[], { items, right }: CalibrationWords): Chart {
  const known = bins.filter(({ count }) => count > 0)
  const most = Math.max(1, ...bins.map(({ count }) => count))
  const size = narrow - 60
  const share = (count: number): number => -0.03 - (strip / size) * (count / most)
  const edges = { x1: 'from', x2: 'to', insetLeft: 0.5, insetRight: 0.5 }
  const facts = {
    name: 'reliability',
    label,
    data: bins.map(({ from, to, count, confidence, accuracy }) => ({
      confidence_from: from,
      confidence_to: to,
      [items]: count,
      mean_confidence: confidence,
      share_right: accuracy,
    })),
    legend: [
      swatch(tone('muted'), `${items} that are ${right}`),
      stroke(tone('bad'), 'as claimed', '3 3'),
      swatch(tone('line'), `${items} in each bin, most ${whole(most)}`),
    ],
  }
  return draw(facts, {
    width: narrow,
    height: size + strip + 66,
    marginLeft: 42,
    marginRight: 18,
    marginTop: 22,
    marginBottom: 34,
    style: { fontSize: '11px' },
    x: {
      domain: [0, 1],
      ticks: 5,
      tickFormat: axisPercent,
      tickSize: 0,
      label: 'confidence',
      labelArrow: 'none',
    },
    y: {
      domain: [-0.03 - strip / size, 1],
      ticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
      tickFormat: axisPercent,
      tickSize: 0,
      label: right,
      labelArrow: 'none',
    },
    marks: [
      Plot.gridY([0.2, 0.4, 0.6, 0.8, 1], { stroke: tone('line'), strokeOpacity: 1 }),
      Plot.rect(known, { ...edges, y1: 0, y2: 'accuracy', fill: tone('muted'), fillOpacity: 0.55 }),
      Plot.rect(known, {
        ...edges,
        y1: -0.03,
        y2: (bin: Bin) => share(bin.count),
        fill: tone('line'),
        title: (bin: Bin) => `${whole(bin.count)} from ${fixed(bin.from, 2)} to ${fixed(bin.to, 2)}`,
      }),
      Plot.ruleY([0], { stroke: tone('muted') }),
      Plot.line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: tone('bad'), strokeDasharray: '3 3', strokeWidth: 1.5 },
      ),
      Plot.dot(known, {
        x: 'confidence',
        y: 'accuracy',
        r: 3,
        fill: tone('ink'),
        stroke: tone('paper'),
        title: (bin: Bin) => `${percent(bin.confidence)} claimed, ${percent(bin.accuracy)} right`,
      }),
    ],
  })
}
