/**
 * How wide text is, without a font to ask: of each letter the wider of Helvetica's and DejaVu Sans Condensed's, which documents
 * have, in parts of the font's size. Letters of East Asia are square.
 */

const narrowest = new Set("ijl|'.,:;! \u00a0")
const slim = new Set('ftrI/\\()[]{}-·"`°')
const broad = new Set('mwMW@%—…½¼')

function letterWidth(letter: string): number {
  if (narrowest.has(letter)) return 0.34
  if (slim.has(letter)) return 0.42
  if (broad.has(letter)) return 0.96
  if ((letter.codePointAt(0) ?? 0) >= 0x1100) return 1
  return /\p{Lu}/u.test(letter) ? 0.74 : 0.59
}

/** In pixels, of a line of text in so many pixels. */
export function textWidth(text: string, size: number): number {
  return size * Array.from(text).reduce((sum, letter) => sum + letterWidth(letter), 0)
}

/** The text, or as much of its beginning as goes into so many pixels with a sign that there is more. */
export function shortened(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text
  let kept = ''
  let used = textWidth('…', size)
  for (const letter of text) {
    used += textWidth(letter, size)
    if (used > width) break
    kept += letter
  }
  return `${kept.trimEnd()}…`
}
