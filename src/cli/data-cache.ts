import { resolve } from 'node:path'
import { cacheDirectory } from '../data/cache.ts'
import { type CacheFile, deleteCaches, listCaches } from '../data/pixels/pixel-caches.ts'
import { readableBytes } from '../files/bytes.ts'
import { attempt, nodeDisk } from '../files/disk.ts'
import type { DataCacheFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { clean } from './screen.ts'

const perDay = 24 * 3600 * 1000

/** `moiety data cache`: lists what is cached in a folder, or deletes it. */
export function manageCaches({ json, dir, delete: isDeleting, olderThan }: DataCacheFlags): void {
  const folder = dir === undefined ? cacheDirectory() : resolve(dir)
  const all = attempt(nodeDisk, 'list', folder, () => listCaches(folder))
  const before = olderThan === undefined ? Number.POSITIVE_INFINITY : Date.now() - olderThan * perDay
  const files = all.filter(({ used }) => used.getTime() < before)
  if (isDeleting) attempt(nodeDisk, 'delete files in', folder, () => deleteCaches(files))
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  if (json) printJson({ folder, deleted: isDeleting === true, bytes: total, files: files.map(jsonOf) })
  else if (files.length === 0) print(`nothing is cached in ${clean(folder)}`)
  else {
    const found = `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${readableBytes(total)}`
    const lines = files.map(({ what, bytes, used }) => {
      const day = used.toISOString().slice(0, 10)
      return `${readableBytes(bytes).padStart(9)}  ${day}  ${clean(what)}`
    })
    const next = isDeleting
      ? []
      : ['', 'moiety data cache --delete deletes them; what is needed is decoded again.']
    print(
      [`${isDeleting ? 'deleted from' : 'cached in'} ${clean(folder)}: ${found}`, ...lines, ...next].join(
        '\n',
      ),
    )
  }
}

function jsonOf({ path, what, bytes, used }: CacheFile) {
  return { path, what, bytes, used: used.toISOString() }
}
