/** How numbers are written in the report. Whatever is not there, or is not a number, is a dash. */
export type Maybe = number | null | undefined

export const blank = '–'

/** A narrow space that no line breaks at. */
const thin = '\u202f'

function there(value: Maybe): value is number {
  return value !== null && value !== undefined && Number.isFinite(value)
}

/** 0.4213 → "42.1 %" */
export function percent(fraction: Maybe, digits = 1): string {
  return there(fraction) ? `${(100 * fraction).toFixed(digits)}${thin}%` : blank
}

/** 0.4213 → "42", for cells under a heading that says per cent. */
export function wholePercent(fraction: Maybe): string {
  return there(fraction) ? (100 * fraction).toFixed(0) : blank
}

/** 2.4 → "×2.4": times as much as by chance. */
export function times(ratio: Maybe): string {
  if (!there(ratio)) return blank
  return `×${ratio < 0.095 && ratio > 0 ? ratio.toFixed(2) : ratio.toFixed(1)}`
}

/** Bits of information: "0.412". */
export function bits(value: Maybe): string {
  return there(value) ? value.toFixed(value >= 9.9995 ? 2 : 3) : blank
}

/** A plain number with so many decimals. */
export function fixed(value: Maybe, digits: number): string {
  if (!there(value)) return blank
  const text = value.toFixed(digits)
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−')
}

/** 10000 → "10 000" */
export function whole(value: Maybe): string {
  if (!there(value)) return blank
  const digits = String(Math.round(Math.abs(value))).replace(/\B(?=(\d{3})+$)/g, thin)
  return value <= -0.5 ? `−${digits}` : digits
}

/** 11220132 → "11.2 million" */
export function parameters(value: Maybe): string {
  return there(value) && value >= 999_950 ? `${(value / 1e6).toFixed(1)}${thin}million` : whole(value)
}

/** 1814073344 → "1.81 G", 11220132 → "11.2 M" */
export function amount(value: Maybe): string {
  if (!there(value) || value < 9995) return whole(value)
  if (value < 999_500) return `${(value / 1e3).toPrecision(3)}${thin}k`
  return value < 999_500_000
    ? `${(value / 1e6).toPrecision(3)}${thin}M`
    : `${(value / 1e9).toPrecision(3)}${thin}G`
}

/** The probability that chance reaches as much; "p ≤" where no permutation did. */
export function significance(p: Maybe, permutations: Maybe): string {
  if (!there(p) || !there(permutations) || permutations < 1) return `p ${blank}`
  const none = p <= 1 / (1 + permutations) + 1e-12
  return `p ${none ? '≤' : '='} ${p.toFixed(p < 0.0095 ? 4 : 3)}`
}

/** A p that is computed, not counted over permutations. */
export function exactly(p: Maybe): string {
  if (!there(p)) return `p ${blank}`
  return p < 0.0001 ? 'p < 0.0001' : `p = ${p.toFixed(p < 0.0095 ? 4 : 3)}`
}

/** 0.031 → "3.1": points of accuracy. */
export function points(fraction: Maybe): string {
  return there(fraction) ? fixed(100 * fraction, 1) : blank
}

/** "one", "two", … for a sentence; digits from thirteen on. */
export function counted(value: number): string {
  const words = 'no one two three four five six seven eight nine ten eleven twelve'.split(' ')
  return words[value] ?? whole(value)
}

/** "a", "a and b", "a, b and c" */
export function list(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1) ?? ''}`
}
