/**
 * Opening files that a user names, or that are in a run's folder. Only regular files are opened: reading a named pipe blocks until
 * something is written to it, and reading a device may never end. Each kind of file has a size limit, far above what Moiety writes, so that
 * a wrong file is refused before it fills the memory.
 */
import * as fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { readableBytes } from './bytes.ts'
import { decodeText } from './text.ts'

/** Size limits in bytes (docs/explanation/decisions/runs.md). Images and archives have theirs in `src/data`. */
export const sizeLimits = {
  /** `config.json`, `environment.json` */
  config: 16e6,
  recipe: 1e6,
  /** A module with components. */
  code: 4e6,
  /** A sweep's definition. */
  sweep: 1e6,
  /** `sweep.json`, `failures.jsonl`: one entry a run. */
  sweepRecord: 256e6,
  summary: 64e6,
  report: 32e6,
  metrics: 1e9,
  metricsLine: 16e6,
  lock: 64e3,
  /** `queue.json`, the file with a queue's address. */
  queue: 64e3,
  /** Names of classes. */
  names: 1e6,
  /** Labels of images. */
  labels: 256e6,
  weights: 16e9,
  /** A compressed annotation file, when unpacked: more than twice COCO's largest. */
  unpackedAnnotations: 1e9,
  /** `data.yaml`, lists of images and names of classes of a YOLO data set. */
  dataYaml: 1e6,
  imageList: 256e6,
  /** The labels of one image: YOLO's lines, or an XML file of Pascal VOC. */
  imageLabels: 16e6,
  /** Drawings, and the table of them, in installed packages. */
  artwork: 64e6,
  /** Cached results of `compare`. */
  cache: 4e9,
} as const

/** A file that is refused before it is read. Has a `code` as system errors do, so that it is handled and reported like them. */
export class RefusedFile extends Error {
  readonly code: 'ENOTFILE' | 'EISDIR' | 'EFBIG'
  readonly help: string

  constructor(code: RefusedFile['code'], message: string, help: string) {
    super(message)
    this.name = 'RefusedFile'
    this.code = code
    this.help = help
  }
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND } = fs.constants
// Not available on Windows.
const O_NONBLOCK = fs.constants.O_NONBLOCK ?? 0
const O_NOFOLLOW = fs.constants.O_NOFOLLOW ?? 0

/**
 * Opens a regular file for reading; the caller closes it.
 *
 * @param most - its largest size in bytes
 * @throws RefusedFile, or Node's errors
 */
export function openRegular(path: string, most?: number): number {
  return checked(fs.openSync(path, O_RDONLY | O_NONBLOCK), most)
}

/** Writing does not follow a symbolic link: a run's files are in its folder. */
const writingFlags = {
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
} as const

/** Opens a regular file for writing, not through a symbolic link. @throws RefusedFile, or Node's errors, such as `ELOOP` */
export function openForWriting(path: string, mode: keyof typeof writingFlags): number {
  return checked(fs.openSync(path, writingFlags[mode] | O_NONBLOCK | O_NOFOLLOW), undefined)
}

/** {@link openRegular}, asynchronous. */
export async function openRegularFile(path: string, most?: number): Promise<FileHandle> {
  const file = await open(path, O_RDONLY | O_NONBLOCK)
  try {
    refuseOther(await file.stat(), most)
    return file
  } catch (cause) {
    await file.close()
    throw cause
  }
}

/** The content of a regular file. @throws RefusedFile, or Node's errors */
export function readRegular(path: string, most?: number): Uint8Array {
  const file = openRegular(path, most)
  try {
    const bytes = new Uint8Array(fs.fstatSync(file).size)
    let filled = 0
    // In parts, because fs.readFileSync stops at 2 GiB.
    while (filled < bytes.length) {
      const taken = fs.readSync(file, bytes, filled, Math.min(bytes.length - filled, 1 << 30), null)
      if (taken === 0) break
      filled += taken
    }
    return bytes.subarray(0, filled)
  } finally {
    fs.closeSync(file)
  }
}

/** {@link readRegular}, asynchronous. */
export async function readRegularFile(path: string, most?: number): Promise<Uint8Array> {
  const file = await openRegularFile(path, most)
  try {
    const bytes = new Uint8Array((await file.stat()).size)
    let filled = 0
    while (filled < bytes.length) {
      const { bytesRead } = await file.read(bytes, filled, Math.min(bytes.length - filled, 1 << 30))
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  } finally {
    await file.close()
  }
}

/** The same as text. */
export async function readRegularText(path: string, most: number): Promise<string> {
  return decodeText(await readRegularFile(path, most))
}

function checked(file: number, most: number | undefined): number {
  try {
    refuseOther(fs.fstatSync(file), most)
    return file
  } catch (cause) {
    fs.closeSync(file)
    throw cause
  }
}

function refuseOther(found: fs.Stats, most: number | undefined): void {
  if (found.isDirectory()) throw new RefusedFile('EISDIR', 'it is a folder, not a file', 'check the path')
  if (!found.isFile()) {
    const kind = found.isFIFO() ? 'a named pipe' : found.isSocket() ? 'a socket' : 'a device'
    throw new RefusedFile(
      'ENOTFILE',
      `expected a regular file, found ${kind}`,
      'replace it with a regular file, or check the path',
    )
  }
  if (most !== undefined && found.size > most)
    throw new RefusedFile(
      'EFBIG',
      `expected at most ${readableBytes(most)}, found ${readableBytes(found.size)}`,
      'this is probably another file; check the path',
    )
}
