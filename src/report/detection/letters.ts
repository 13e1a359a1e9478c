/**
 * Letters of 5 × 8 dots, as on a display, for labels in pictures: a picture then looks the same on every machine, also on one
 * that has no fonts.
 */

/** From one letter to the next, in dots. */
export const letterWidth = 6

/** Of a letter, from its top to the end of what hangs below the line, in dots. */
export const letterHeight = 8

/** The letters from the space to ~: two hexadecimal digits for each of five columns, whose lowest bit is the dot at the top. */
const columns = [
  '000000000000005f00000007000700147f147f14242a7f2a12231308646236495620500000070000001c2241000041221c00',
  '2a1c7f1c2a08083e080800503000000808080808000060600020100804023e5149453e00427f400072494949462141494d33',
  '1814127f1027454545393c4a49493141211109073649494936464949291e0000140000004034000000081422411414141414',
  '004122140802015909063e415d594e7c1211127c7f494949363e414141227f4141413e7f494949417f090909013e41415173',
  '7f0808087f00417f41002040413f017f081422417f404040407f021c027f7f0408107f3e4141413e7f090909063e4151215e',
  '7f09192946264949493203017f01033f4040403f1f2040201f3f4038403f631408146303047804036159494d43007f414141',
  '0204081020004141417f04020102044040404040000307080020545478407f284444383844444428384444287f3854545418',
  '00087e090218a4a49c787f0804047800447d40002040403d007f1028440000417f40007c047804787c080404783844444438',
  'fc1824241818242418fc7c08040408485454542404043f44243c4040207c1c2040201c3c4030403c44281028444c9090907c',
  '4464544c440008364100000077000000413608000201020402',
].join('')

/** Signs that ASCII does not have. */
const others: ReadonlyMap<string, string> = new Map([
  ['·', '0000080000'],
  ['…', '4000400040'],
])

/** Whether these letters can write a text; letters with accents are written without. */
export function canWrite(text: string): boolean {
  return Array.from(plain(text)).every(letter => columnsOf(letter) !== undefined)
}

/** How wide a text is, in dots. */
export function textWidth(text: string): number {
  return Math.max(0, Array.from(plain(text)).length * letterWidth - 1)
}

/**
 * A text as the path of an SVG, a square for each dot.
 *
 * @param x - where it begins, in pixels
 * @param y - of its top
 * @param dot - side of a dot, in pixels
 * @returns the `d` of a path; what cannot be written is a frame
 */
export function textPath(text: string, x: number, y: number, dot: number): string {
  let path = ''
  for (const [place, letter] of Array.from(plain(text)).entries()) {
    const digits = columnsOf(letter) ?? frame
    for (let column = 0; column < 5; column++) {
      const bits = Number.parseInt(digits.slice(2 * column, 2 * column + 2), 16)
      for (let row = 0; row < letterHeight; row++) {
        if ((bits & (1 << row)) === 0) continue
        const [left, top] = [x + (place * letterWidth + column) * dot, y + row * dot]
        path += `M${left} ${top}h${dot}v${dot}h-${dot}z`
      }
    }
  }
  return path
}

const frame = '7f4141417f'

/** Without accents, which are signs of their own in this form. */
function plain(text: string): string {
  return text.replaceAll('…', '\u0000').normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('\u0000', '…')
}

function columnsOf(letter: string): string | undefined {
  const code = letter.charCodeAt(0) - 32
  return code >= 0 && code < 95 ? columns.slice(10 * code, 10 * code + 10) : others.get(letter)
}
