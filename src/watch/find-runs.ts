import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import { codeOf } from '../files/disk.ts'
import { readFailures, readRecord } from '../sweep/sweep-folder.ts'
import type { Planned, RunPlace } from './watched-run.ts'

/** How deep runs are looked for, in how many folders, and how many are shown. */
const most = { depth: 4, folders: 20_000, runs: 5000 } as const

/** Folders of a run or of other programs, in which there are no runs. */
const passedOver = new Set(['checkpoints', 'prediction', 'node_modules', 'logs', 'recipes'])

/** A folder that is watched. */
export interface WatchedFolder {
  /** Without links. */
  readonly path: string
  readonly name: string
}

/**
 * The folders to watch: what is given, or `runs` and `sweeps` of the current folder, those that are there.
 *
 * @throws MoietyError `usage` that names a folder that is not there
 */
export async function watchedFolders(given: readonly string[]): Promise<WatchedFolder[]> {
  const found = await Promise.all((given.length > 0 ? given : ['runs', 'sweeps']).map(one => folderAt(one)))
  const folders = found.flatMap((folder, i) => {
    if (folder !== undefined) return [folder]
    if (given.length === 0) return []
    return fail({
      kind: 'usage',
      message: `expected the folder of a run, or a folder with runs in it; there is no ${given[i]}`,
      where: given[i]!,
      help: 'check the path; a folder may be empty, and its runs are shown when they begin',
    })
  })
  if (folders.length === 0)
    fail({
      kind: 'usage',
      message: 'expected a folder named runs or sweeps here, found neither',
      where: process.cwd(),
      help: 'name the folder of a run, or one with runs in it: moiety watch DIR',
    })
  return folders.filter((one, i) => folders.findIndex(({ path }) => path === one.path) === i)
}

async function folderAt(given: string): Promise<WatchedFolder | undefined> {
  try {
    const path = await realpath(given)
    if ((await stat(path)).isDirectory()) return { path, name: basename(path) || path }
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined
    throw cause
  }
  return fail({
    kind: 'usage',
    message: 'expected the folder of a run, or a folder with runs in it; it is a file',
    where: given,
    help: 'name the folder that the file is in',
  })
}

/** A run that was found, or that a sweep has planned. */
export interface FoundRun {
  readonly place: RunPlace
  readonly planned: Planned | undefined
}

/** All runs in some folders. */
export interface FoundRuns {
  readonly runs: readonly FoundRun[]
  /** Labels of the sweeps' axes. */
  readonly axes: readonly string[]
  /** Why not all runs are among them. */
  readonly limited: string | null
}

/** Looks for runs. Links are not followed, and what cannot be read is passed over. */
export async function findRuns(folders: readonly WatchedFolder[]): Promise<FoundRuns> {
  const search = new Search(folders.length > 1)
  for (const folder of folders) await search.look(folder, folder.path, 0, undefined)
  const runs = [...search.found.values()].sort((a, b) => compare(a.place.name, b.place.name))
  const limited =
    search.limited ??
    (runs.length > most.runs ? `the first ${most.runs} of ${runs.length} runs are shown` : null)
  return { runs: runs.slice(0, most.runs), axes: [...search.axes], limited }
}

const collator = new Intl.Collator('en', { numeric: true })
const compare = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : 1)

class Search {
  /** By path. */
  readonly found = new Map<string, FoundRun>()
  readonly axes = new Set<string>()
  limited: string | null = null
  #folders = 0

  constructor(readonly hasSeveral: boolean) {}

  async look(root: WatchedFolder, path: string, depth: number, planned: Planned | undefined): Promise<void> {
    if (++this.#folders > most.folders) {
      this.limited = `only ${most.folders} folders were looked at`
      return
    }
    const entries = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => [])
    const has = (name: string): boolean => entries.some(entry => entry.name === name)
    if (has('config.json') && (has('environment.json') || has('metrics.jsonl')))
      return this.#add(root, path, planned)
    const plans = has('sweep.json') ? this.#sweep(root, path) : new Map<string, Planned>()
    if (depth >= most.depth) return
    for (const entry of entries) {
      const { name } = entry
      if (!entry.isDirectory() || name.startsWith('.') || passedOver.has(name)) continue
      await this.look(root, join(path, name), depth + 1, plans.get(name))
    }
  }

  #add(root: WatchedFolder, path: string, planned: Planned | undefined): void {
    const below = relative(root.path, path)
    const name = below === '' || this.hasSeveral ? join(root.name, below) : below
    const id = createHash('sha256').update(path).digest('hex').slice(0, 12)
    const shown = name.split(sep).join('/').replace(/\/$/, '')
    this.found.set(path, { place: { id, name: shown, root: root.path, path }, planned })
  }

  /** The runs that a sweep has planned; those without a folder are added. */
  #sweep(root: WatchedFolder, path: string): Map<string, Planned> {
    const plans = new Map<string, Planned>()
    try {
      const record = readRecord(path)
      const failures = readFailures(path)
      for (const { label } of record?.axes ?? []) this.axes.add(label)
      for (const { name, values } of record?.runs ?? []) {
        if (name === '.' || name === '..') continue
        const texts = Object.entries(values).map(
          ([label, value]) => [label, typeof value === 'string' ? value : JSON.stringify(value)] as const,
        )
        const planned = { values: Object.fromEntries(texts), failure: failures.get(name)?.message }
        plans.set(name, planned)
        this.#add(root, join(path, name), planned)
      }
    } catch (error) {
      // A damaged record: the runs are in their folders nevertheless.
      if (!(error instanceof MoietyError)) throw error
    }
    return plans
  }
}
