import { readdirSync, readFileSync } from 'node:fs'
import MarkdownIt, { type Token } from 'markdown-it'
import { githubSlug } from '../docs/.vitepress/github-slug.ts'

/** What stands in the pages for readers to copy: blocks of code, and code within a line. */

const root = new URL('..', import.meta.url)

/** Written from the schema and from the commands; `docs/api/` is written from comments. */
export const generated: readonly string[] = ['docs/reference/cli.md', 'docs/reference/configuration.md']

/** Folders that are built, or whose Markdown is data of tests. */
const notPages = /(^|\/)(node_modules|dist|fixtures|runs|sweeps|coverage|api|public|\.(?!github).*)(\/|$)/

/** Every Markdown file of the repository. */
export const allMarkdown: readonly string[] = markdownBelow('').sort()

function markdownBelow(folder: string): string[] {
  return readdirSync(new URL(folder === '' ? '.' : folder, root), { withFileTypes: true }).flatMap(entry => {
    const path = folder + entry.name
    if (notPages.test(path)) return []
    if (entry.isDirectory()) return markdownBelow(`${path}/`)
    return path.endsWith('.md') ? [path] : []
  })
}

/** The pages that people have written, whose code is checked. */
export const pages: readonly string[] = allMarkdown.filter(
  page => /^(README|CHANGELOG|bench\/README|docs\/.*)\.md$/.test(page) && !generated.includes(page),
)

export interface Code {
  readonly page: string
  /** Page and line. */
  readonly where: string
  /** The heading above. */
  readonly heading: string
  /** What the fence says; `indented` of a block without one, `inline` within a line. */
  readonly language: string
  readonly text: string
}

/** Every block of a page and every piece of code within its lines, in order. */
export function codeOf(page: string, text = readFileSync(new URL(page, root), 'utf8')): Code[] {
  const found: Code[] = []
  let heading = ''
  let line = 0
  const visit = (tokens: readonly Token[]): void => {
    for (const [i, { type, info, content, map, children }] of tokens.entries()) {
      line = map?.[0] ?? line
      const add = (language: string): number =>
        found.push({ page, where: `${page}:${line + 1}`, heading, language, text: content })
      if (type === 'fence') add(info.trim().split(/\s/)[0] ?? '')
      else if (type === 'code_block') add('indented')
      else if (type === 'code_inline') add('inline')
      else if (type === 'inline') {
        if (tokens[i - 1]?.type === 'heading_open') heading = content
        visit(children ?? [])
      }
    }
  }
  visit(new MarkdownIt().parse(text, {}))
  return found
}

/** What a page links to or shows: of links, images, and of `href`, `src` and `srcset` in HTML. */
export function targetsOf(text: string): string[] {
  const visit = (tokens: readonly Token[]): string[] =>
    tokens.flatMap(({ type, content, attrs, children }) => [
      ...(attrs ?? []).flatMap(([name, value]) => (name === 'href' || name === 'src' ? [value] : [])),
      ...(type.startsWith('html_')
        ? [...content.matchAll(/\s(?:href|src|srcset)="([^"]*)"/g)].flatMap(([, value]) =>
            value!.split(',').map(one => one.trim().split(/\s/)[0]!),
          )
        : []),
      ...visit(children ?? []),
    ])
  return visit(new MarkdownIt({ html: true }).parse(text, {}))
}

/** The anchors that GitHub gives to a page's headings. */
export function anchorsOf(text: string): Set<string> {
  const tokens = new MarkdownIt().parse(text, {})
  const anchors = new Set<string>()
  for (const [i, { type }] of tokens.entries()) {
    if (type !== 'heading_open') continue
    const anchor = githubSlug((tokens[i + 1]?.children ?? []).map(({ content }) => content).join(''))
    let free = anchor
    for (let n = 1; anchors.has(free); n++) free = `${anchor}-${n}`
    anchors.add(free)
  }
  return anchors
}

export interface Statement {
  /** Assignments before the command. */
  readonly variables: Readonly<Record<string, string>>
  readonly words: readonly string[]
}

/**
 * The statements of a shell text, as far as documents need it: quotes, comments, `\` at the end of a line, assignments, `&&`, `|`,
 * `;` and output into a file, which is left out.
 */
export function statementsOf(text: string): Statement[] {
  const statements: Statement[] = []
  for (const line of text.replaceAll(/\\\n\s*/g, ' ').split('\n')) {
    let words: string[] = []
    let isTarget = false
    const end = (): void => {
      const first = words.findIndex(word => !/^[A-Za-z_]\w*=/.test(word))
      const assignments = words.slice(0, first < 0 ? words.length : first)
      const variables = Object.fromEntries(
        assignments.map(word => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
      )
      if (words.length > 0) statements.push({ variables, words: words.slice(assignments.length) })
      words = []
    }
    for (const [token] of line.matchAll(/#.*$|&&|[|;>]|(?:'[^']*'|"[^"]*"|[^\s|;>&'"])+/g)) {
      if (token.startsWith('#')) break
      if (token === '>') isTarget = true
      else if (token === '&&' || token === '|' || token === ';') end()
      else if (isTarget) isTarget = false
      else words.push(token.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'))
    }
    end()
  }
  return statements
}
