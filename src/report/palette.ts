/**
 * The colours of the report, for paper and for a dark screen. Charts name them by CSS variables, so that one drawing serves
 * both.
 *
 * Colour is never alone: an expert also has its number, a cell its figure.
 */

/** One colour in both themes. */
export interface Shade {
  readonly light: string
  readonly dark: string
}

/**
 * The colours of experts 0 to 15. Chosen one after the other, each as far as possible (in OKLab, seen with normal vision,
 * and without red, green or blue cones after Machado et al. 2009) from those before it, among all colours with a contrast
 * of at least 3 to the page in both themes: the fewer the experts, the farther apart they are. The first four were
 * restricted to colours of some saturation.
 */
export const expertShades: readonly Shade[] = [
  { light: '#116bb5', dark: '#55a5f4' },
  { light: '#cb8315', dark: '#ffc684' },
  { light: '#a01642', dark: '#d76178' },
  { light: '#04a19b', dark: '#64dfd8' },
  { light: '#673388', dark: '#9d69c2' },
  { light: '#866870', dark: '#c0a0a9' },
  { light: '#4d7800', dark: '#83b14d' },
  { light: '#7272e5', dark: '#b1b7fe' },
  { light: '#584503', dark: '#8d783f' },
  { light: '#4f576f', dark: '#838ca6' },
  { light: '#9c3b96', dark: '#d37bcc' },
  { light: '#bf5546', dark: '#fe9180' },
  { light: '#0e5e49', dark: '#4d937c' },
  { light: '#3b859b', dark: '#77c0d7' },
  { light: '#7d0563', dark: '#b25196' },
  { light: '#4a44b3', dark: '#7d80e6' },
]

/**
 * From far less than chance (brown) over chance to far more (green). Brown and green differ for all kinds of sight; brown is the
 * quieter, since what an expert is given says more than what it is not.
 */
export const liftShades: readonly Shade[] = [
  { light: '#a8722e', dark: '#a06c34' },
  { light: '#d3ab72', dark: '#6b4c2a' },
  { light: '#ecdcbf', dark: '#3f3629' },
  { light: '#f1efe9', dark: '#282a30' },
  { light: '#c3e3dd', dark: '#1d4743' },
  { light: '#62b8ab', dark: '#237a70' },
  { light: '#01665e', dark: '#6ad6c8' },
]

/** Where one step of {@link liftShades} ends and the next begins: even steps of ratio on both sides of chance. */
export const liftBounds = [1 / 4, 1 / 2, 4 / 5, 5 / 4, 2, 4] as const

const neutral = {
  paper: { light: '#fdfcf9', dark: '#15161a' },
  /** Set off from the page: popovers, tables' heads. */
  raised: { light: '#ffffff', dark: '#1d1f24' },
  ink: { light: '#1d1c1a', dark: '#eae8e3' },
  muted: { light: '#635f57', dark: '#aba79f' },
  line: { light: '#dedad1', dark: '#363941' },
  faint: { light: '#efece5', dark: '#24262c' },
  good: { light: '#1d6b3c', dark: '#7ccf98' },
  bad: { light: '#a8321f', dark: '#ff9d8a' },
  link: { light: '#1d1c1a', dark: '#eae8e3' },
} as const satisfies Record<string, Shade>

export type NeutralName = keyof typeof neutral

/** A neutral colour for a drawing. */
export function tone(name: NeutralName): string {
  return `var(--${name})`
}

/** The colour of an expert for a drawing; the 17th has the first's again. */
export function expertColour(expert: number): string {
  return `var(--e${expert % expertShades.length})`
}

/** The colour of text upon {@link expertColour}. */
export function expertInk(expert: number): string {
  return `var(--e${expert % expertShades.length}-ink)`
}

/** Which of {@link liftShades} a lift has. */
export function liftStep(lift: number): number {
  return liftBounds.filter(bound => lift >= bound).length
}

export function liftColour(step: number): string {
  return `var(--d${step})`
}

export function liftInk(step: number): string {
  return `var(--d${step}-ink)`
}

/** All variables of a theme, by name. */
export function variables(theme: keyof Shade): ReadonlyMap<string, string> {
  const inked = (prefix: string, shades: readonly Shade[]): [string, string][] =>
    shades.flatMap((shade, i): [string, string][] => [
      [`--${prefix}${i}`, shade[theme]],
      [`--${prefix}${i}-ink`, readableOn(shade[theme])],
    ])
  return new Map([
    ...Object.entries<Shade>(neutral).map(([name, shade]): [string, string] => [`--${name}`, shade[theme]]),
    ...inked('e', expertShades),
    ...inked('d', liftShades),
  ])
}

/** The variables of both themes as a style sheet; paper is always light. */
export function themeStyle(): string {
  const block = (theme: keyof Shade): string =>
    Array.from(variables(theme), ([name, value]) => `${name}:${value}`).join(';')
  return `:root{color-scheme:light dark;${block('light')}}
@media screen and (prefers-color-scheme:dark){:root{${block('dark')}}}
@media print{:root{color-scheme:light;--paper:#fff;--raised:#fff}}`
}

/** Relative luminance of `#rrggbb`, from 0 to 1 (WCAG 2). */
export function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map(at => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** Contrast of two colours, from 1 to 21 (WCAG 2). */
export function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

/** White or black, whichever is read better; the better of the two has at least √21 = 4.58. */
function readableOn(colour: string): string {
  return contrast(colour, '#ffffff') >= contrast(colour, '#000000') ? '#ffffff' : '#000000'
}
