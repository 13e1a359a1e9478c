import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, resolve, sep, win32 } from 'node:path'
import { fail } from '../../base/errors.ts'
import { isThere, reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { pathInside, staysWithin } from '../../files/path-inside.ts'
import type { ProblemKind } from '../problem-kinds.ts'

/** Why an image is not available. */
export type Absence = Extract<ProblemKind, 'missing' | 'leads-out' | 'not-a-file'>

/** A file name of an annotation, resolved. */
export interface FoundImage {
  readonly path: string
  /** How the name had to be read to be that of a file. */
  readonly spelling: readonly ProblemKind[]
}

/**
 * Finds images by their names in annotations. Folders are listed once and no file is opened, so that a hundred thousand
 * images take a second.
 */
export class ImageFinder {
  readonly #root: string
  readonly #listings = new Map<string, Promise<ReadonlyMap<string, Dirent> | 'leaves'>>()

  /** @param root - the folder that links may not leave, a real path */
  constructor(root: string) {
    this.#root = root
  }

  /**
   * The file of a name, read unchanged or, where there is none, as other systems and tools write it.
   *
   * @param where - of the name, for the error
   * @returns the path; that of the unchanged name, where there is no file
   * @throws MoietyError of kind `data` for a name that is absolute or leaves the folder
   */
  async find(folder: string, name: string, where: string): Promise<FoundImage> {
    // A whole path, of this machine or another, is read by its end; where there is no such file, it is refused.
    if (isAbsolute(name) || win32.isAbsolute(name)) {
      for (const { text, spelling } of spellings(name)) {
        const isRest = spelling.includes('folder-prefix') && !text.split('/').includes('..')
        const path = isRest ? resolve(folder, text) : undefined
        if (path?.startsWith(folder + sep) && (await this.#has(path))) return { path, spelling }
      }
    }
    const asWritten = pathInside(folder, name, where)
    if (await this.#has(asWritten)) return { path: asWritten, spelling: [] }
    for (const { text, spelling } of spellings(name)) {
      const path = pathInside(folder, text, where)
      if (await this.#has(path)) return { path, spelling }
    }
    return { path: asWritten, spelling: [] }
  }

  /** {@link find} in the first folder that has the file; of none the first one's answer. */
  async findIn(folders: readonly string[], name: string, where: string): Promise<FoundImage> {
    let refusal: unknown
    let first: FoundImage | undefined
    for (const folder of new Set(folders)) {
      const found = await this.find(folder, name, where).catch((cause: unknown) => {
        refusal = cause
      })
      if (found !== undefined && (await this.absence(found.path)) !== 'missing') return found
      first ??= found ?? undefined
    }
    if (first === undefined) throw refusal
    return first
  }

  /** Why a file is not available; undefined where it is. */
  async absence(path: string): Promise<Absence | undefined> {
    const entries = await this.#list(dirname(path))
    if (entries === 'leaves') return 'leads-out'
    const entry = entries.get(basename(path))
    if (entry === undefined) return 'missing'
    if (entry.isFile()) return undefined
    if (!entry.isSymbolicLink()) return 'not-a-file'
    if (!(await staysWithin(path, this.#root))) return 'leads-out'
    return (await stat(path)).isFile() ? undefined : 'not-a-file'
  }

  async #has(path: string): Promise<boolean> {
    const entries = await this.#list(dirname(path))
    return entries === 'leaves' || entries.has(basename(path))
  }

  #list(folder: string): Promise<ReadonlyMap<string, Dirent> | 'leaves'> {
    const known = this.#listings.get(folder)
    if (known !== undefined) return known
    const listing = this.#read(folder)
    this.#listings.set(folder, listing)
    return listing
  }

  async #read(folder: string): Promise<ReadonlyMap<string, Dirent> | 'leaves'> {
    if (!isThere(folder)) return new Map()
    if (!(await staysWithin(folder, this.#root)) && folder !== this.#root) return 'leaves'
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
      rethrowExhausted(cause, 'list', folder)
      return fail({
        kind: 'data',
        message: `expected a folder of images that can be listed, got: ${reasonOf(cause)}`,
        where: folder,
        help: 'check the permissions; it must be a folder',
        cause,
      })
    })
    return new Map(entries.map(entry => [entry.name, entry]))
  }
}

interface Spelling {
  readonly text: string
  readonly spelling: readonly ProblemKind[]
}

/** Other readings of a name, the nearest first. */
function* spellings(name: string): Generator<Spelling> {
  const slashed = change({ text: name, spelling: [] }, name.replaceAll('\\', '/'), 'backslashes')
  const decoded = change(slashed, percentDecoded(slashed.text), 'percent-encoding')
  for (const each of decoded === slashed ? [slashed] : [slashed, decoded]) {
    const forms = (['NFC', 'NFD'] as const).map(form =>
      change(each, each.text.normalize(form), 'unicode-form'),
    )
    for (const form of new Set([each, ...forms])) {
      yield form
      const parts = form.text.split('/')
      for (let first = 1; first < parts.length; first++) {
        const rest = parts.slice(first).join('/')
        if (rest !== '') yield { text: rest, spelling: [...form.spelling, 'folder-prefix'] }
      }
    }
  }
}

function change(from: Spelling, text: string, kind: ProblemKind): Spelling {
  return text === from.text ? from : { text, spelling: [...from.spelling, kind] }
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
