import { readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MarkdownRenderer } from 'vitepress'

const docs = fileURLToPath(new URL('..', import.meta.url))
const { repository } = JSON.parse(readFileSync(join(docs, '../package.json'), 'utf8')) as {
  repository?: string | { url?: string }
}

/**
 * Pages link to files of the repository by relative paths (`../../src/graph/graph.ts`), which are not part of the site. There these
 * links lead to the repository that package.json names; where it names none, only their text stays.
 */
export function repositoryLinks(md: MarkdownRenderer): void {
  const base = repositoryBase(repository)
  md.core.ruler.push('repository-links', state => {
    const page = (state.env as { relativePath?: string }).relativePath ?? ''
    for (const { children } of state.tokens) {
      let isDropped = false
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const file = fileOutside(token.attrGet('href') ?? '', page)
          isDropped = file !== undefined && base === undefined
          if (file !== undefined && base !== undefined) token.attrSet('href', `${base}/${file}`)
        }
        if (!isDropped || !token.type.startsWith('link_')) continue
        const isEnd = token.type === 'link_close'
        token.type = 'text'
        token.tag = ''
        token.nesting = 0
        token.content = ''
        if (isEnd) isDropped = false
      }
    }
  })
}

/**
 * The path in the repository of a file outside the pages, or of numbers next to them, which the site does not serve.
 *
 * @param href - as the page has it
 * @param page - the page's path below the folder of the pages
 */
export function fileOutside(href: string, page: string): string | undefined {
  if (/^([a-z][a-z+.-]*:|#|\/)/i.test(href)) return undefined
  const target = relative(docs, join(docs, dirname(page), href))
    .split(sep)
    .join('/')
  if (target.startsWith('../')) return target.slice('../'.length)
  return target.endsWith('.csv') ? `docs/${target}` : undefined
}

/** Where files are shown, as `https://github.com/OWNER/NAME/blob/main`; undefined for none and for a placeholder. */
export function repositoryBase(named: string | { url?: string } | undefined): string | undefined {
  const url = typeof named === 'string' ? named : named?.url
  const [, place] = /^(?:git\+)?(https:\/\/[\w.-]+\/[\w./-]+?)(?:\.git)?\/?$/.exec(url ?? '') ?? []
  return place === undefined || /placeholder|example\.|owner/i.test(place) ? undefined : `${place}/blob/main`
}
