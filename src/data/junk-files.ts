import { isImageName } from './image-names.ts'

/** Folders that systems and tools leave behind, in lower case; those whose names begin with a dot are all junk. */
const junkFolders = new Set([
  '__macosx',
  '__pycache__',
  '@eadir',
  '#recycle',
  '$recycle.bin',
  'system volume information',
  'lost+found',
])

/** Files of the same kind. */
const junkFiles = new Set([
  'thumbs.db',
  'ehthumbs.db',
  'ehthumbs_vista.db',
  'desktop.ini',
  'icon\r',
  'ds_store',
])

/** Files about a data set: README.txt, README.dataset.txt, LICENSE. */
const aboutData = /^(readme|license|licence|copying|notice|citation|authors|changelog)([._-].*)?$/i

/** Endings of texts and tables, which lie next to the folders of classes: `labels.csv`, `data.yaml`. */
const documents = /\.(txt|md|rst|csv|tsv|json|jsonl|xml|ya?ml|html?|pdf|log|ini|url|lnk|cache)$/i

/**
 * Whether a file or folder has nothing to do with the images around it, by its name.
 *
 * @param kind - `file` for one next to images, where only well-known names count: another may be a damaged image
 */
export function isJunkFile(name: string, kind: 'folder' | 'file' | 'file next to folders'): boolean {
  if (name.startsWith('.')) return true
  if (kind === 'folder') return junkFolders.has(name.toLowerCase())
  return (
    junkFiles.has(name.toLowerCase()) ||
    (aboutData.test(name) && !isImageName(name)) ||
    (kind === 'file next to folders' && documents.test(name))
  )
}

/** How many different names are listed. */
const listed = 8

/** Ignored junk: each name once, with its count. */
export class JunkList {
  readonly #counts = new Map<string, number>()

  add(name: string): void {
    // macOS writes a `._cat.jpg` for each cat.jpg.
    const key = name.startsWith('._') ? '._*' : name
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  /** One sentence, or undefined where there was none. */
  sentence(): string | undefined {
    if (this.#counts.size === 0) return undefined
    const all = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
    const names = all
      .slice(0, listed)
      .map(([name, count]) => (count === 1 ? name : `${name} (${count} times)`))
    const more = all.length > listed ? ` and ${all.length - listed} other names` : ''
    return `ignored, because they are not part of the data: ${names.join(', ')}${more}`
  }
}
