/**
 * Escaping of untrusted text (names of files, folders, runs, classes, layers, sweeps and recipes, values of a grid, texts of
 * errors, host names) for each output format. All output goes through these functions: a name can neither
 * break out of its field (become a command, a key, a cell, an element) nor hide what it is.
 *
 * Two steps, in this order: invisible characters are escaped, then the characters that are special in the format are
 * escaped.
 */

/**
 * Invisible characters, and those that change how the surrounding text is displayed: control characters (C0, DEL, C1), halves of
 * surrogate pairs, separators of lines and paragraphs, bidirectional controls, and characters without
 * width. The joiners U+200C and U+200D are excluded: emoji and several scripts need them.
 */
const invisible =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

const unicodeEscape = (letter: string): string => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`

const escapeOf = (letter: string): string => shortEscapes[letter] ?? unicodeEscape(letter)

/** Whether a text contains invisible characters, see {@link visible}. */
export function hasInvisible(text: string): boolean {
  return text.search(invisible) !== -1
}

/** A text on one line, with every invisible character escaped: `\n`, `\t`, `\u001b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(invisible, escapeOf)
}

/** The same for text of several lines; line breaks are kept. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}

/**
 * Text for a terminal: line breaks and our own styles (SGR) pass, all other control sequences are escaped. Names in it have
 * gone through {@link visible} before, which also keeps them on one line; this is a second safeguard.
 */
export function terminal(text: string): string {
  // Only a line feed ends a line; CSV has a return before it.
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
    /(\u001b\[\d{1,2}m|\r?\n)|([\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb])/gu,
    (letter, passes: string | undefined) => (passes === undefined ? escapeOf(letter) : letter),
  )
}

/** JSON with invisible characters escaped; parsing gives the same value. Its strings and lists are valid YAML, too. */
export function visibleJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) ?? 'null'
  // Between strings JSON has only line feeds and spaces of ours; within them line feeds are escaped already.
  return text.replace(invisible, letter => (letter === '\n' ? letter : unicodeEscape(letter)))
}

/** {@link visibleJson} in ASCII, for a reader of another version or encoding. */
export function asciiJson(value: unknown, indent?: number): string {
  return visibleJson(value, indent).replace(/[^\x20-\x7e\n]/g, unicodeEscape)
}

const utf8 = new TextEncoder()

/**
 * A word for bash, quoted where needed. With invisible characters it is written as `$'…'`, with their bytes, so that it
 * stays on its line and means the same in every locale.
 */
export function shellWord(word: string): string {
  if (/^[\w./:=@%+-]+$/.test(word)) return word
  if (!hasInvisible(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  const inside = word
    .replace(/[\\']/g, letter => `\\${letter}`)
    .replace(invisible, letter =>
      Array.from(utf8.encode(letter), byte => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
    )
  return `$'${inside}'`
}

/** A text within a paragraph or a list of GitHub's Markdown. */
export function markdown(text: string): string {
  return markdownCell(text)
    .replace(/^(\s*)([-+=])/, '$1\\$2')
    .replace(/^(\s*\d+)([.)])/, '$1\\$2')
}

/** A text within a table of GitHub's Markdown, where nothing begins a list. */
export function markdownCell(text: string): string {
  return visible(text)
    .replace(/[\\|*_`<>[\]#~&$]/g, letter => `\\${letter}`)
    .replace(/ +/g, ' ')
}

/** A text as code within a line of Markdown, where a backslash escapes nothing; not for tables. */
export function markdownCode(text: string): string {
  const shown = visible(text)
  const runs = shown.match(/`+/g) ?? []
  const fence = '`'.repeat(Math.max(0, ...runs.map(({ length }) => length)) + 1)
  const pad = /^[` ]|[` ]$/.test(shown) || shown === '' ? ' ' : ''
  return `${fence}${pad}${shown}${pad}${fence}`
}

const latexWords: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '±': '$\\pm$',
  '−': '$-$',
  '≤': '$\\leq$',
  '<': '$<$',
  '>': '$>$',
  '–': '--',
  '*': '$^{*}$',
  // The end of a line of a table treats [ and * as options.
  '[': '{[}',
  ']': '{]}',
}

/** A text within a paragraph or a `tabular` of LaTeX. */
export function latex(text: string): string {
  return visible(text)
    .replace(/ +/g, ' ')
    .replace(/[\\~^±−≤<>–*[\]&%$#_{}]/g, letter => latexWords[letter] ?? `\\${letter}`)
}

/** What spreadsheets treat as the start of a formula, full-width characters included. */
const formula = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/

const numeric = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i

/**
 * A text as a field of CSV (RFC 4180). One that a spreadsheet would evaluate gets a leading apostrophe, which marks it as text; a
 * number stays a number.
 */
export function csvField(text: string): string {
  const shown = visible(text)
  const plain = formula.test(shown) && !numeric.test(shown) ? `'${shown}` : shown
  return /[",]/.test(plain) || /^\s|\s$/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A text as content of HTML and SVG, or in a quoted attribute; its lines stay lines. */
export function htmlText(text: string): string {
  return visibleLines(text).replace(/[&<>"']/g, letter => entities[letter] ?? letter)
}
