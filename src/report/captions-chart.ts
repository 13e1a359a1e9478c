import * as Plot from '@observablehq/plot'
import type { ExpertFindings, LayerFindings } from '../analysis/findings.ts'
import { type Chart, draw } from './draw.ts'
import { percent } from './figures.ts'
import { fitted, shown } from './markup.ts'
import { expertColour, expertInk, tone } from './palette.ts'

/** An expert in as many lines as its caption needs. */
interface Line {
  readonly expert: number
  readonly share: number
  readonly text: string
  /** As it is drawn: names of classes can be of any length. */
  readonly drawn: string
  readonly spoken: boolean
}

const usual = 760
const longest = 480
const [begin, em, lineHeight] = [84, 12, 13]

/** The experts of a layer with their shares and captions; on a page they are cards with pictures. */
export function captionsChart(layer: LayerFindings, experts: readonly ExpertFindings[]): Chart {
  const lines = experts.map(({ expert, caption, noCaptionReason }): Line => {
    const text = shown(caption ?? noCaptionReason ?? 'no caption')
    const share = layer.share[expert] ?? 0
    return { expert, share, text, drawn: fitted(text, longest), spoken: caption !== null }
  })
  const facts = {
    name: `${layer.name}-captions`,
    label: `${shown(layer.name)}: the experts in a line each`,
    data: lines.map(({ expert, share, text, spoken }) => ({
      expert,
      mean_gate_weight: share,
      caption: spoken ? text : null,
      no_caption_because: spoken ? null : text,
    })),
    legend: [{ text: 'per cent: mean gate weight' }],
  }
  return draw(facts, given => {
    const width = given ?? usual
    const lineWidth = (width - begin - 8) / em
    // Plot breaks lines by the same estimate of widths, in em.
    const heights = lines.map(({ drawn }) => Math.ceil((drawn.length * 0.6) / lineWidth) * lineHeight + 14)
    const total = heights.reduce((sum, height) => sum + height, 0)
    const middles = heights.map((height, at) => heights.slice(0, at).reduce((a, b) => a + b, 0) + height / 2)
    const y = (_: Line, at: number): number => middles[at] ?? 0
    const left = { y, frameAnchor: 'left', textAnchor: 'start' } as const
    return {
      width,
      height: total,
      margin: 0,
      style: { fontSize: `${em}px` },
      x: { axis: null },
      y: { axis: null, type: 'linear', domain: [0, total], reverse: true },
      marks: [
        Plot.dot(lines, {
          y,
          frameAnchor: 'left',
          dx: 10,
          r: 9,
          fill: { value: (d: Line) => expertColour(d.expert), scale: null },
        }),
        Plot.text(lines, {
          y,
          frameAnchor: 'left',
          textAnchor: 'middle',
          dx: 10,
          text: (d: Line) => String(d.expert),
          fontSize: 10,
          fontWeight: 600,
          fill: { value: (d: Line) => expertInk(d.expert), scale: null },
        }),
        Plot.text(lines, { ...left, dx: begin - 16, textAnchor: 'end', text: (d: Line) => percent(d.share) }),
        Plot.text(lines, {
          ...left,
          dx: begin - 6,
          text: 'drawn',
          lineWidth,
          fill: { value: (d: Line) => tone(d.spoken ? 'ink' : 'muted'), scale: null },
        }),
      ],
    }
  })
}
