import * as Plot from '@observablehq/plot'
import { type Findings, groupingOf, imageFindings, type LayerFindings } from '../analysis/findings.ts'
import { fail } from '../base/errors.ts'
import { draw, standalone } from './draw.ts'
import { percent } from './figures.ts'
import { learningOf } from './learning-section.ts'
import { fitted, shown } from './markup.ts'
import { spacious } from './matrix-charts.ts'
import { attributesChart, informationChart } from './measure-charts.ts'
import { expertColour, expertInk, tone } from './palette.ts'
import { mapChart, placesOf, trainingChart } from './place-charts.ts'
import { groupingChart } from './preference-figures.ts'

/**
 * Charts of the report as SVG files of their own, in the colours of the light page, for documents and papers.
 *
 * @throws MoietyError `usage` where there is no such layer, or the findings have nothing to draw
 */
export function groupingSvg(
  findings: Findings,
  layerIndex: number,
  name: 'superclass' | 'level' | 'size',
): string {
  const layer = layerOf(findings, layerIndex)
  return standalone(groupingChart(layer, name, spacious) ?? nothing(layer, `it has no grouping by ${name}`))
}

/** How much of the choice of expert the image and what it shows decide. */
export function informationSvg(findings: Findings, layerIndex: number): string {
  const layer = layerOf(findings, layerIndex)
  return standalone(informationChart(`${shown(layer.name)}: what decides the expert`, layer))
}

/** What attributes of images tell about the expert. */
export function attributesSvg(findings: Findings, layerIndex: number): string {
  const layer = layerOf(findings, layerIndex)
  if (!hasAttributes(layer)) nothing(layer, 'no attribute of its images was tested')
  return standalone(attributesChart(`${shown(layer.name)}: what attributes of images tell`, layer))
}

function hasAttributes({ attributes }: LayerFindings): boolean {
  return attributes.some(({ information }) => information !== null)
}

/** Each expert's share after each epoch. */
export function trainingSvg(findings: Findings, layerIndex: number): string {
  const layer = layerOf(findings, layerIndex)
  if (layer.history.length === 0) nothing(layer, 'the training’s log has no shares of it')
  return standalone(trainingChart(`${shown(layer.name)}: shares of the experts over the training`, layer))
}

/** The map of the gate's logits. */
export function mapSvg(findings: Findings, layerIndex: number): string {
  const layer = layerOf(findings, layerIndex)
  const places = placesOf(imageFindings(findings, layerIndex)?.map ?? nothing(layer, 'there is no map of it'))
  return standalone(
    mapChart(`${shown(layer.name)}: map of the gate’s logits`, places, {
      frame: places,
      side: 560,
      radius: 2.4,
    }),
  )
}

/** An expert in at most two lines. */
interface Line {
  readonly expert: number
  readonly share: number
  readonly text: string
  readonly spoken: boolean
}

/** The experts of a layer with their shares and captions. */
export function captionsSvg(findings: Findings, layerIndex: number): string {
  const layer = layerOf(findings, layerIndex)
  const { experts } = imageFindings(findings, layerIndex) ?? nothing(layer, 'its experts have no captions')
  const lines = experts.map(
    ({ expert, caption, noCaptionReason }): Line => ({
      expert,
      share: layer.share[expert] ?? 0,
      text: fitted(shown(caption ?? noCaptionReason ?? 'no caption'), 208),
      spoken: caption !== null,
    }),
  )
  const y = (d: Line): number => d.expert
  const left = { y, frameAnchor: 'left', textAnchor: 'start' } as const
  return standalone(
    draw(`${shown(layer.name)}: the experts in a line each`, {
      width: 760,
      height: lines.length * 42 + 12,
      margin: 6,
      style: { fontSize: '12px' },
      x: { axis: null },
      y: { axis: null, type: 'band', domain: lines.map(y), padding: 0 },
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
        Plot.text(lines, {
          ...left,
          dx: 74,
          textAnchor: 'end',
          text: (d: Line) => percent(d.share),
          fontVariant: 'tabular-nums',
        }),
        Plot.text(lines, {
          ...left,
          dx: 90,
          text: 'text',
          lineWidth: 50,
          fill: { value: (d: Line) => tone(d.spoken ? 'ink' : 'muted'), scale: null },
        }),
      ],
    }),
  )
}

function layerOf(findings: Findings, index: number): LayerFindings {
  return (
    findings.layers[index] ??
    fail({
      kind: 'usage',
      message: `layer ${index} was asked for, but the findings have ${findings.layers.length} layers`,
      where: 'layerIndex',
      help: 'layers are counted from 0',
    })
  )
}

function nothing({ name }: LayerFindings, why: string): never {
  return fail({ kind: 'usage', message: `${name} cannot be drawn: ${why}`, help: 'choose another chart' })
}

/** A chart as a file: its name and its content. */
export interface ChartFile {
  readonly name: string
  readonly svg: string
}

/** Every chart that the findings have something for, as files: `layer4-captions.svg` and so on. */
export function chartFiles(findings: Findings): ChartFile[] {
  const ofRun = learningOf(findings).map(({ file, drawn }) => ({
    name: `${file}.svg`,
    svg: standalone(drawn),
  }))
  const ofLayers = findings.layers.flatMap((layer, index) => {
    const file = (kind: string, svg: string): ChartFile => ({ name: `${layer.name}-${kind}.svg`, svg })
    const grouped = (kind: string, name: 'superclass' | 'level' | 'size'): ChartFile[] =>
      groupingOf(layer, name) === undefined ? [] : [file(kind, groupingSvg(findings, index, name))]
    const own = imageFindings(findings, index)
    return [
      ...(own === undefined ? [] : [file('captions', captionsSvg(findings, index))]),
      file('information', informationSvg(findings, index)),
      ...(hasAttributes(layer) ? [file('attributes', attributesSvg(findings, index))] : []),
      ...grouped('superclasses', 'superclass'),
      ...grouped('levels', 'level'),
      ...grouped('sizes', 'size'),
      ...(layer.history.length === 0 ? [] : [file('training', trainingSvg(findings, index))]),
      ...((own?.map ?? null) === null ? [] : [file('map', mapSvg(findings, index))]),
    ]
  })
  return [...ofLayers, ...ofRun]
}
