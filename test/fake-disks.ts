/** Disks for tests: one that fails on demand, and one in memory that can lose its power. */
import { basename, dirname } from 'node:path'
import type { Disk } from '../src/files/disk.ts'

/** The operations that a fault can be put into; `freeBytes` only serves messages. */
export type Operation = Exclude<keyof Disk, 'freeBytes'>

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected by a test`), { code })
}

/** A disk that calls `before` ahead of every operation; what that throws is the operation's failure. */
export function observedDisk(disk: Disk, before: (operation: Operation, index: number) => void): Disk {
  let index = 0
  const watch = <A extends unknown[], R>(operation: Operation, action: (...args: A) => R) => {
    return (...args: A): R => {
      before(operation, index++)
      return action(...args)
    }
  }
  return {
    open: watch('open', disk.open),
    write: watch('write', disk.write),
    truncate: watch('truncate', disk.truncate),
    flush: watch('flush', disk.flush),
    close: watch('close', disk.close),
    flushFolder: watch('flushFolder', disk.flushFolder),
    read: watch('read', disk.read),
    size: watch('size', disk.size),
    rename: watch('rename', disk.rename),
    makeFolder: watch('makeFolder', disk.makeFolder),
    list: watch('list', disk.list),
    remove: watch('remove', disk.remove),
    removeEmpty: watch('removeEmpty', disk.removeEmpty),
    realPath: watch('realPath', disk.realPath),
    modified: watch('modified', disk.modified),
    freeBytes: disk.freeBytes,
  }
}

/** A disk whose operation number `at` fails with `code`, and, if `lasting`, every later one too. */
export function failingDisk(disk: Disk, at: number, code: string, lasting: boolean): Disk {
  return observedDisk(disk, (_, index) => {
    if (index === at || (lasting && index > at)) throw systemError(code)
  })
}

/** A disk that takes at most `most` bytes at once, and is full after `capacity` bytes. */
export function smallDisk(disk: Disk, most: number, capacity = Number.POSITIVE_INFINITY): Disk {
  let left = capacity
  return {
    ...disk,
    write: (file, bytes) => {
      if (left === 0) throw systemError('ENOSPC')
      const taken = disk.write(file, bytes.subarray(0, Math.min(most, left)))
      left -= taken
      return taken
    },
  }
}

/** The operations that `action` does, in order. */
export function operationsOf(disk: Disk, action: (disk: Disk) => void): Operation[] {
  const done: Operation[] = []
  action(
    observedDisk(disk, operation => {
      done.push(operation)
    }),
  )
  return done
}

interface FileNode {
  readonly kind: 'file'
  bytes: Uint8Array
  durable: Uint8Array
}

interface FolderNode {
  readonly kind: 'folder'
  names: Map<string, FileNode | FolderNode>
  durable: Map<string, FileNode | FolderNode>
}

function emptyFolder(): FolderNode {
  return { kind: 'folder', names: new Map(), durable: new Map() }
}

/** What a power cut leaves of changes that were never flushed. */
export type Survival = 'nothing' | 'names' | 'contents' | (() => boolean)

/**
 * A disk in memory that knows what is flushed. A file's content survives a power cut as it was at its last
 * `flush`; a folder's names as they were at its last `flushFolder`.
 */
export class MemoryDisk implements Disk {
  #root: FolderNode = emptyFolder()
  #open = new Map<number, FileNode>()
  #nextFile = 3

  readonly open: Disk['open'] = (path, mode) => {
    const folder = this.#folder(dirname(path))
    let file = folder.names.get(basename(path))
    if (file?.kind === 'folder') throw systemError('EISDIR')
    if (file === undefined) {
      if (mode === 'r+') throw systemError('ENOENT')
      file = { kind: 'file', bytes: new Uint8Array(0), durable: new Uint8Array(0) }
      folder.names.set(basename(path), file)
    }
    if (mode === 'w') file.bytes = new Uint8Array(0)
    this.#open.set(this.#nextFile, file)
    return this.#nextFile++
  }

  /** Always at the end, which is all that Moiety does. */
  readonly write: Disk['write'] = (handle, bytes) => {
    const file = this.#handle(handle)
    file.bytes = Uint8Array.of(...file.bytes, ...bytes)
    return bytes.length
  }

  readonly truncate: Disk['truncate'] = (handle, bytes) => {
    const file = this.#handle(handle)
    file.bytes = file.bytes.slice(0, bytes)
  }

  readonly flush: Disk['flush'] = handle => {
    const file = this.#handle(handle)
    file.durable = file.bytes
  }

  readonly close: Disk['close'] = handle => {
    this.#handle(handle)
    this.#open.delete(handle)
  }

  readonly flushFolder: Disk['flushFolder'] = path => {
    const folder = this.#folder(path)
    folder.durable = new Map(folder.names)
  }

  readonly read: Disk['read'] = path => this.#file(path).bytes.slice()

  readonly size: Disk['size'] = path => this.#file(path).bytes.length

  readonly rename: Disk['rename'] = (from, to) => {
    const source = this.#folder(dirname(from))
    const node = source.names.get(basename(from))
    if (node === undefined) throw systemError('ENOENT')
    const target = this.#folder(dirname(to))
    const there = target.names.get(basename(to))
    if (there?.kind === 'folder' && there.names.size > 0) throw systemError('ENOTEMPTY')
    source.names.delete(basename(from))
    target.names.set(basename(to), node)
  }

  readonly makeFolder: Disk['makeFolder'] = path => {
    const folder = this.#folder(dirname(path))
    if (folder.names.has(basename(path))) throw systemError('EEXIST')
    folder.names.set(basename(path), emptyFolder())
  }

  readonly list: Disk['list'] = path => [...this.#folder(path).names.keys()]

  readonly remove: Disk['remove'] = path => {
    this.#folder(dirname(path)).names.delete(basename(path))
  }

  readonly removeEmpty: Disk['removeEmpty'] = path => {
    if (this.#folder(path).names.size > 0) throw systemError('ENOTEMPTY')
    this.#folder(dirname(path)).names.delete(basename(path))
  }

  /** There are no links here. */
  readonly realPath: Disk['realPath'] = path => {
    this.#find(path)
    return path
  }

  /** Nothing grows old here. */
  readonly modified: Disk['modified'] = path => {
    this.#find(path)
    return 0
  }

  readonly freeBytes: Disk['freeBytes'] = () => 1_500_000

  /** How many files are open; a failure must not leave one behind. */
  get openFiles(): number {
    return this.#open.size
  }

  /** The machine loses its power: open files are gone, and of what was not flushed stays what `survival` says. */
  cutPower(survival: Survival): void {
    this.#open.clear()
    const visit = (node: FileNode | FolderNode): void => {
      const random = typeof survival === 'function' && survival()
      if (node.kind === 'file') {
        if (survival !== 'contents' && !random) node.bytes = node.durable
        node.durable = node.bytes
        return
      }
      if (survival !== 'names' && !random) node.names = new Map(node.durable)
      node.durable = new Map(node.names)
      for (const child of node.names.values()) visit(child)
    }
    visit(this.#root)
  }

  #handle(handle: number): FileNode {
    const file = this.#open.get(handle)
    if (file === undefined) throw systemError('EBADF')
    return file
  }

  #find(path: string): FileNode | FolderNode {
    let node: FileNode | FolderNode = this.#root
    for (const name of path.split('/').filter(part => part !== '')) {
      if (node.kind === 'file') throw systemError('ENOTDIR')
      const next: FileNode | FolderNode | undefined = node.names.get(name)
      if (next === undefined) throw systemError('ENOENT')
      node = next
    }
    return node
  }

  #file(path: string): FileNode {
    const node = this.#find(path)
    if (node.kind === 'folder') throw systemError('EISDIR')
    return node
  }

  #folder(path: string): FolderNode {
    const node = this.#find(path)
    if (node.kind === 'file') throw systemError('ENOTDIR')
    return node
  }
}
