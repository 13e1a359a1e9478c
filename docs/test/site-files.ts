import { parseHTML } from 'linkedom'

/** A file of the site by its path, as `guide/index.html`. */
export type Site = ReadonlyMap<string, string>

/** Elements that load what they name; other links are only followed by a reader. */
const loading =
  'script[src], img[src], img[srcset], source[src], source[srcset], iframe[src], video[src], audio[src], link[href]'

/** Links of `<link>` that load nothing. */
const passive = /^(canonical|alternate|author|license|next|prev)$/

const isRemote = (address: string): boolean => /^(https?:)?\/\//i.test(address.trim())

/**
 * What a file would load from another host: of HTML by its elements, of CSS by `url()` and `@import`, of JavaScript by imports,
 * requests and workers whose address is in the text. A test in a browser sees the rest.
 */
export function remoteAssets(path: string, text: string): string[] {
  if (path.endsWith('.html')) {
    const { document } = parseHTML(text)
    const styles = [...document.querySelectorAll('style')].flatMap(({ textContent }) =>
      ofStyle(textContent ?? ''),
    )
    const named = [...document.querySelectorAll(loading)].flatMap(element => {
      if (passive.test(element.getAttribute('rel') ?? '')) return []
      const addresses = ['src', 'href'].map(name => element.getAttribute(name) ?? '')
      const several = (element.getAttribute('srcset') ?? '')
        .split(',')
        .map((one: string) => one.trim().split(/\s/)[0]!)
      return [...addresses, ...several].filter(isRemote)
    })
    return [...named, ...styles]
  }
  if (path.endsWith('.css')) return ofStyle(text)
  if (!/\.m?js$/.test(path)) return []
  const loads =
    /(?:\bimport\s*\(|\bfrom|\bimport|\bfetch\s*\(|\bimportScripts\s*\(|\b(?:Shared)?Worker\s*\()\s*["'`]((?:https?:)?\/\/[^"'`]+)/g
  return [...text.matchAll(loads)].map(match => match[1]!)
}

function ofStyle(text: string): string[] {
  return [...text.matchAll(/(?:url\(\s*|@import\s+)["']?((?:https?:)?\/\/[^"')\s;]+)/gi)].map(
    match => match[1]!,
  )
}

/**
 * Links of the site's pages to files or anchors that are not there, as `guide/index.html: /none.html`.
 *
 * @param base - the path that the site is served from, with slashes at both ends
 */
export function brokenLinks(site: Site, base = '/'): string[] {
  const pages = [...site].filter(([path]) => path.endsWith('.html'))
  const documents = new Map(pages.map(([path, text]) => [path, parseHTML(text).document]))
  const origin = 'http://site'
  return [...documents].flatMap(([path, document]) =>
    [...document.querySelectorAll('a[href], img[src], link[href], script[src], source[srcset]')].flatMap(
      element => {
        const named = ['href', 'src'].map(name => element.getAttribute(name)).find(value => value !== null)
        const address = named ?? element.getAttribute('srcset')?.split(/[\s,]/)[0] ?? ''
        if (!URL.canParse(address, origin)) return [`${path}: ${address}`]
        const url = new URL(address, `${origin}${base}${path}`)
        if (url.origin !== origin) return []
        const within = decodeURIComponent(url.pathname)
        const file = within.slice(base.length).replace(/(^|\/)$/, '$1index.html')
        if (!within.startsWith(base) || !site.has(file)) return [`${path}: ${address}`]
        const anchor = decodeURIComponent(url.hash.slice(1))
        const target = documents.get(file)
        const isThere = anchor === '' || target === undefined || target.getElementById(anchor) !== null
        return isThere ? [] : [`${path}: ${address}`]
      },
    ),
  )
}
