import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { ignoringErrors, makeFolders } from '../../files/atomic-write.ts'
import { readableBytes } from '../../files/bytes.ts'
import { codeOf, nodeDisk, reasonOf } from '../../files/disk.ts'
import { isAbandoned, unfinished } from '../../files/temporary-name.ts'
import { cacheDirectory, cacheKey } from '../cache.ts'
import { type CacheOptions, usualCacheLimit } from './cache-options.ts'
import {
  bytesOfPixelFile,
  createPixelFile,
  openAnyPixelFile,
  openPixelFile,
  type PixelFile,
  type PixelFileFacts,
  type WriteAt,
} from './pixel-file.ts'

const pattern = /^pixels-[0-9a-f]{16}\.cache$/

/** The folder of a setting; undefined where it is off. */
export function cacheFolderOf(cache: CacheOptions['cache']): string | undefined {
  if (cache === undefined || cache === 'off') return undefined
  return cache === 'auto' ? cacheDirectory() : resolve(cache)
}

/** A cache, or why there is none. */
export interface OpenedCache {
  readonly file?: PixelFile | undefined
  /** A sentence for the user. */
  readonly note?: string | undefined
}

/**
 * Opens the cache of some pixels, and creates it where there is none. Where the folder would then have more than the limit, those that
 * were not used for the longest time are deleted. A cache that is damaged is replaced. Nothing that goes wrong is an error.
 */
export function openPixelCache(
  facts: PixelFileFacts,
  folder: string,
  limit = usualCacheLimit,
  writeAt?: WriteAt,
): OpenedCache {
  const path = join(folder, `pixels-${cacheKey([facts.key])}.cache`)
  const failed = (cause: unknown): OpenedCache => ({
    note: `decoded images are not cached in ${folder}: ${reasonOf(cause)}; training goes on without`,
  })
  let note: string | undefined
  try {
    const file = openPixelFile(path, facts, writeAt)
    if (file !== undefined) {
      markUsed(path)
      return file.isWritable ? { file } : { file, note: `the cache ${path} can only be read` }
    }
    note = `the cache ${path} was damaged and is made again`
    fs.rmSync(path)
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') return failed(cause)
  }
  try {
    makeFolders(nodeDisk, folder)
    const refusal = makeRoom(folder, bytesOfPixelFile(facts), limit * 1e9)
    if (refusal !== undefined) return { note: `decoded images are not cached: ${refusal}` }
    createPixelFile(path, facts)
    return { file: openPixelFile(path, facts, writeAt), note }
  } catch (cause) {
    return failed(cause)
  }
}

/** Times of files say when they were used last. */
function markUsed(path: string): void {
  const now = new Date()
  ignoringErrors(() => fs.utimesSync(path, now, now))
}

/** Deletes what was not used for the longest time until `bytes` more fit. @returns why they do not */
function makeRoom(folder: string, bytes: number, limit: number): string | undefined {
  if (bytes > limit)
    return `they take ${readableBytes(bytes)}, more than data.cacheLimit (${readableBytes(limit)}); they are decoded whenever they are needed`
  const others = filesIn(folder, pattern).toSorted((a, b) => b.used - a.used)
  let total = others.reduce((sum, { bytes: own }) => sum + own, 0)
  while (total + bytes > limit) {
    const { path, bytes: own } = others.pop()!
    fs.rmSync(path, { force: true })
    total -= own
  }
  const free = nodeDisk.freeBytes(folder)
  if (free !== undefined && bytes > free / 2)
    return `they take ${readableBytes(bytes)}, more than half of the ${readableBytes(free)} that are free in ${folder}; they are decoded whenever they are needed`
  return undefined
}

interface FoundFile {
  readonly path: string
  readonly name: string
  /** That it may take of the disk. */
  readonly bytes: number
  /** That it takes of the disk now. */
  readonly taken: number
  /** When, in milliseconds. */
  readonly used: number
}

function filesIn(folder: string, names: RegExp): FoundFile[] {
  let all: string[] = []
  try {
    all = fs.readdirSync(folder)
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause
  }
  return all.flatMap(name => {
    const path = join(folder, name)
    // Another process may have deleted it.
    const found = names.test(name) ? fs.lstatSync(path, { throwIfNoEntry: false }) : undefined
    if (found?.isFile() !== true) return []
    const { size, blocks, mtimeMs } = found
    // Windows does not count blocks.
    const taken = process.platform === 'win32' ? size : Math.min(size, blocks * 512)
    return [{ path, name, bytes: size, taken, used: mtimeMs }]
  })
}

/** A file of a cache folder. */
export interface CacheFile {
  readonly path: string
  /** What it has, in words. */
  readonly what: string
  /** That it takes of the disk. */
  readonly bytes: number
  /** When it was used last. */
  readonly used: Date
}

/** All that Moiety has cached in a folder, what was used last first: pixels, drawings, and what processes that ended have left. */
export function listCaches(folder: string): readonly CacheFile[] {
  const cached = /^(pixels-[0-9a-f]{16}\.cache|(sample-of-drawings|scenes-\w+)-[0-9a-f]{16}\.bin)$/
  const found = filesIn(folder, cached).map(({ path, name, taken, used }) => ({
    path,
    what: pattern.test(name) ? contentOf(path) : 'drawings',
    bytes: taken,
    used: new Date(used),
  }))
  const left = filesIn(folder, new RegExp(`^\\${unfinished}.*\\.(cache|bin)$`))
    .filter(({ name }) => isAbandoned(nodeDisk, folder, name, name, folder))
    .map(({ path, taken, used }) => ({ path, what: 'unfinished', bytes: taken, used: new Date(used) }))
  return [...found, ...left].sort((a, b) => b.used.getTime() - a.used.getTime())
}

function contentOf(path: string): string {
  try {
    const file = openAnyPixelFile(path)
    if (file === undefined) return 'damaged'
    const { title, images } = file.facts
    return `${title}: ${file.filled} of ${images} images decoded`
  } catch (cause) {
    return `cannot be read: ${reasonOf(cause)}`
  }
}

/** Deletes cached files; a process that uses one goes on with it until it ends. @throws Node's errors */
export function deleteCaches(files: readonly CacheFile[]): void {
  for (const { path } of files) fs.rmSync(path, { force: true })
}
