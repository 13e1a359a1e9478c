import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const docs = fileURLToPath(new URL('..', import.meta.url))

/** As VitePress takes them. */
export interface Entry {
  text: string
  /** From the folder of the pages, as `/guide/your-data`. */
  link: string
}

export interface Group {
  text: string
  items: Entry[]
}

/** Pages in the order of reading. A page of these folders that is not listed comes after those that are, by its title. */
const groups: readonly {
  readonly text: string
  readonly within: string
  readonly pages: readonly string[]
}[] = [
  {
    text: 'First steps',
    within: 'guide/',
    pages: ['index', 'your-data', 'few-images', 'imbalanced-classes', 'detection-data', 'multi-label'],
  },
  {
    text: 'Experts',
    within: 'guide/',
    pages: [
      'reading-a-report',
      'choosing-a-constraint',
      'collapse',
      'upcycling',
      'weights',
      'detectors',
      'figures',
      'paper',
    ],
  },
  {
    text: 'Training',
    within: 'guide/',
    pages: ['training', 'resuming', 'sweeps', 'watch', 'clusters', 'disk-and-memory', 'gpu'],
  },
  {
    text: 'Elsewhere',
    within: 'guide/',
    pages: ['export', 'browser', 'playground', 'library', 'components', 'pytorch'],
  },
  {
    text: 'Reference',
    within: 'reference/',
    pages: [
      'cli',
      'configuration',
      'measures',
      'constraints',
      'formats',
      'exit-codes',
      'run-folder',
      'fields',
      'detection-evaluation',
    ],
  },
  {
    text: 'Explanation',
    within: 'explanation/',
    pages: ['METHOD', 'how-it-works', 'guarantees', 'architecture', 'data-tests'],
  },
  { text: 'Decisions', within: 'explanation/decisions/', pages: ['index', 'architecture', 'mathematics'] },
  { text: 'Results', within: 'results', pages: [''] },
]

/** Every page but the home page, in groups. */
export function sidebar(): Group[] {
  const left = new Set(pagesBelow(docs).filter(page => !/^(api|public|test)\//.test(page)))
  const made = groups.map(({ text, within, pages }) => {
    const items = pages.map(page => within + page).filter(page => left.delete(page))
    return { text, within, items }
  })
  // The last group of the innermost folder takes what is listed nowhere.
  for (const page of [...left].sort((a, b) => titleOf(a).localeCompare(titleOf(b)))) {
    const within = made.filter(group => page.startsWith(group.within))
    const group = within.sort((a, b) => a.within.length - b.within.length).at(-1) ?? made[0]!
    group.items.push(page)
  }
  return made.map(({ text, items }) => ({
    text,
    items: items.map(page => ({ text: titleOf(page), link: `/${page.replace(/(^|\/)index$/, '$1')}` })),
  }))
}

/** The pages of the API reference, which TypeDoc writes before the site is built: the main export, then the subpaths. */
export function apiSidebar(): Group[] {
  const names = pagesBelow(docs, 'api/').map(page => page.slice('api/'.length))
  const items = names
    .filter(name => name !== 'modules' && name !== 'index')
    .map(name => ({ text: `moiety/${name}`, link: `/api/${name}` }))
  return [{ text: 'API', items: [{ text: 'moiety', link: '/api/' }, ...items] }]
}

/** Without their ending, as `guide/your-data`; not the home page. None of a folder that has not been generated. */
function pagesBelow(folder: string, within = ''): string[] {
  if (!existsSync(folder + within)) return []
  return readdirSync(folder + within, { recursive: true, encoding: 'utf8' })
    .map(name => within + name.replaceAll('\\', '/'))
    .filter(name => name.endsWith('.md') && name !== 'index.md' && !name.startsWith('.'))
    .map(name => name.slice(0, -'.md'.length))
    .sort()
}

/** The first heading; of a page of decisions what follows "Decisions:". */
function titleOf(page: string): string {
  const [, title = page] = /^# (.+)$/m.exec(readFileSync(`${docs}${page}.md`, 'utf8')) ?? []
  const short = title.replace(/^Decisions: /, '').replaceAll(/[`\\]/g, '')
  return short.charAt(0).toUpperCase() + short.slice(1)
}
