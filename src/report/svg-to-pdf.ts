import { readFileSync } from 'node:fs'
import { parseHTML } from 'linkedom'
import PDFDocument from 'pdfkit'
import { inherited, type SvgElement } from './svg-element.ts'

/**
 * A chart for paper (`paper.ts`) as PDF: paths stay paths and text stays text, in DejaVu Sans Condensed, of which the letters
 * that are used are embedded. It draws what charts consist of: groups, paths, lines, rectangles, circles and text, with
 * fill, stroke, dashes, opacity and transforms.
 *
 * @param svg - as `onPaper` writes it, with its size in millimetres
 * @returns a PDF of one page of that size; the same SVG gives the same bytes
 */
export async function svgToPdf(svg: string): Promise<Uint8Array> {
  const { document } = parseHTML(svg)
  const root: SvgElement | null = document.querySelector('svg')
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? []
  if (root === null || width === undefined || height === undefined)
    throw new Error('the chart is no SVG with a viewBox')
  const doc = new PDFDocument({
    size: [Number(width) * points, Number(height) * points],
    margin: 0,
    // None of those that every reader has, which PDFKit would load: text is in those below.
    font: '',
    info: {
      Title: root.querySelectorAll('title')[Symbol.iterator]().next().value?.textContent ?? '',
      Creator: 'Moiety',
      Producer: 'PDFKit',
      CreationDate: new Date(0),
    },
    pdfVersion: '1.7',
    lang: 'en',
  })
  const chunks: Uint8Array[] = []
  doc.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  const ended = new Promise<void>((resolve, reject) => {
    doc.on('end', resolve)
    doc.on('error', reject)
  })
  doc.font(font())
  doc.scale(points)
  for (const child of root.children) add(doc, child)
  doc.end()
  await ended
  return new Uint8Array(Buffer.concat(chunks))
}

type Document = InstanceType<typeof PDFDocument>

/** Of a CSS pixel: 72 points and 96 pixels are an inch. */
const points = 0.75

/** Where `npm run build` copies the font to. */
const fontFile = new URL('../../dist/report/fonts/DejaVuSansCondensed.ttf', import.meta.url)

let loaded: Buffer | undefined
function font(): Buffer {
  loaded ??= readFileSync(fontFile)
  return loaded
}

function add(doc: Document, element: SvgElement): void {
  if (element.localName === 'title' || element.localName === 'style') return
  doc.save()
  transform(doc, element.getAttribute('transform'))
  if (element.localName === 'g') for (const child of element.children) add(doc, child)
  else if (element.localName === 'text') addText(doc, element)
  else paint(doc, element, outline(doc, element))
  doc.restore()
}

/** Of the forms that Plot writes: one or several functions of numbers. */
function transform(doc: Document, text: string | null): void {
  for (const [, name, list = ''] of (text ?? '').matchAll(/(\w+)\(([^)]*)\)/g)) {
    const [a = 0, b, c = 0] = list.split(/[\s,]+/).map(Number)
    if (name === 'translate') doc.translate(a, b ?? 0)
    else if (name === 'rotate') doc.rotate(a, { origin: [b ?? 0, c] })
    else if (name === 'scale') doc.scale(a, b ?? a, {})
    else throw new Error(`a chart has the transform ${name}, which is not drawn in PDF`)
  }
}

/** Where an outline begins and what it encloses: lines have nothing inside. */
function outline(doc: Document, element: SvgElement): 'area' | 'line' {
  const of = (name: string): number => Number.parseFloat(element.getAttribute(name) ?? '0')
  switch (element.localName) {
    case 'path':
      doc.path(element.getAttribute('d') ?? '')
      return 'area'
    case 'line':
      doc.moveTo(of('x1'), of('y1')).lineTo(of('x2'), of('y2'))
      return 'line'
    case 'circle':
      doc.circle(of('cx'), of('cy'), of('r'))
      return 'area'
    case 'rect': {
      const radius = Math.min(of('rx'), of('width') / 2, of('height') / 2)
      if (radius > 0) doc.roundedRect(of('x'), of('y'), of('width'), of('height'), radius)
      else doc.rect(of('x'), of('y'), of('width'), of('height'))
      return 'area'
    }
    default:
      throw new Error(`a chart has an element ${element.localName}, which is not drawn in PDF`)
  }
}

interface Paint {
  readonly fill: string | null
  readonly stroke: string | null
}

function colours(element: SvgElement): Paint {
  const of = (name: string, usual: string): string | null => {
    const value = inherited(element, name) ?? usual
    return value === 'none' ? null : value
  }
  return { fill: of('fill', '#000000'), stroke: of('stroke', 'none') }
}

function number(element: SvgElement, name: string, usual: number): number {
  return Number.parseFloat(inherited(element, name) ?? String(usual))
}

function setPaint(doc: Document, element: SvgElement): void {
  const opacity = number(element, 'opacity', 1)
  doc.fillOpacity(opacity * number(element, 'fill-opacity', 1))
  doc.strokeOpacity(opacity * number(element, 'stroke-opacity', 1))
  doc.lineWidth(number(element, 'stroke-width', 1))
  const cap = inherited(element, 'stroke-linecap')
  doc.lineCap(cap === 'round' || cap === 'square' ? cap : 'butt')
  const join = inherited(element, 'stroke-linejoin')
  doc.lineJoin(join === 'round' || join === 'bevel' ? join : 'miter')
  const dashes = (inherited(element, 'stroke-dasharray') ?? 'none').split(/[\s,]+/).map(Number)
  if (dashes.every(length => length > 0)) doc.addContent(`[${dashes.join(' ')}] 0 d`)
}

function paint(doc: Document, element: SvgElement, kind: 'area' | 'line'): void {
  const { fill, stroke } = colours(element)
  const inside = kind === 'line' ? null : fill
  setPaint(doc, element)
  if (inside !== null && stroke !== null) doc.fillAndStroke(inside, stroke)
  else if (inside !== null) doc.fill(inside)
  else if (stroke !== null) doc.stroke(stroke)
  else doc.addContent('n')
}

/** A length in pixels or in heights of the font. */
function length(text: string | null, size: number): number {
  const value = Number.parseFloat(text ?? '0')
  return text?.endsWith('em') === true ? value * size : value
}

/** Bold is the same letters with an outline, of this part of their height: a second font is 330 kB of the package. */
const boldStroke = 0.045

/** One line of text, or several of which each is a `tspan`. */
function addText(doc: Document, element: SvgElement): void {
  const size = number(element, 'font-size', 11)
  const isBold = number(element, 'font-weight', 400) >= 600
  doc.fontSize(size)
  const anchor = inherited(element, 'text-anchor')
  let [x, y] = [length(element.getAttribute('x'), size), length(element.getAttribute('y'), size)]
  y += length(element.getAttribute('dy'), size)
  const spans = [...element.children].filter(({ localName }) => localName === 'tspan')
  for (const span of spans.length === 0 ? [element] : spans) {
    const line = span.textContent ?? ''
    if (span !== element) {
      const own = [span.getAttribute('x'), span.getAttribute('y')]
      if (own[0] !== null && own[0] !== undefined) x = length(own[0], size)
      if (own[1] !== null && own[1] !== undefined) y = length(own[1], size)
      y += length(span.getAttribute('dy'), size)
    }
    const width = doc.widthOfString(line)
    const start = anchor === 'end' ? x - width : anchor === 'middle' ? x - width / 2 : x
    // A halo is below its letters.
    const { fill, stroke } = colours(element)
    setPaint(doc, element)
    const place = { lineBreak: false, baseline: 'alphabetic' as const }
    if (stroke !== null) {
      doc.strokeColor(stroke)
      doc.text(line, start, y, { ...place, stroke: true, fill: false })
    }
    if (fill !== null) {
      doc.fillColor(fill)
      if (isBold)
        doc
          .strokeColor(fill)
          .strokeOpacity(1)
          .lineWidth(size * boldStroke)
      doc.text(line, start, y, { ...place, fill: true, stroke: isBold })
    }
  }
}
