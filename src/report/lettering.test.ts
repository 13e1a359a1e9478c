import PDFDocument from 'pdfkit'
import { expect, it } from 'vitest'
import { shortened, textWidth } from './lettering.ts'

it('is at least as wide as the font of PDFs, and not much wider', () => {
  const document = new PDFDocument({ font: 'node_modules/dejavu-fonts-ttf/ttf/DejaVuSansCondensed.ttf' })
  for (const text of [
    'large omnivores and herbivores',
    'the box overlaps too little (IoU 0.1 to 0.5)',
    'WWW MMM mmm www 00000',
    'illicit fjord, 1.25 %',
    'ÄÖÜ Ω Жук',
  ]) {
    const width = document.fontSize(11).widthOfString(text)
    expect(textWidth(text, 11), text).toBeGreaterThanOrEqual(width)
    expect(textWidth(text, 11), text).toBeLessThan(1.25 * width)
  }
})

it('shortens to a width, with a sign that there is more, and keeps letters of two code units whole', () => {
  expect(shortened('bee', 100, 11)).toBe('bee')
  const short = shortened('large omnivores and herbivores', 100, 11)
  expect(short).toMatch(/^large omni.*…$/)
  expect(textWidth(short, 11)).toBeLessThanOrEqual(100)
  expect(shortened('😀😀😀😀', 35, 11)).toBe('😀😀…')
})
