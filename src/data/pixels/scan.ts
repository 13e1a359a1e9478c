import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { rethrowExhausted } from '../../files/disk.ts'
import type { OnProgress } from '../dataset.ts'
import { type ScanReading, type ScanReply, type ScanRequest, scanFiles } from './scan-files.ts'

/** What was found of files, in their order; see {@link ScanReply}. */
export interface Scan {
  readonly states: Float64Array
  readonly contents: Uint8Array
}

/** Files that are looked at in one go. */
const inOneGo = 512
/** Fewer files are looked at here: threads take longer to start. */
const fewFiles = 4096
/** They wait for the disk most of the time, above all for one in a network. */
const mostThreads = 4

/**
 * Looks at files: their sizes and times, and on request their first bytes or their SHA-256. Many files are looked at by several
 * threads.
 *
 * @param reading - what is read of each
 * @param onProgress - called with what was looked at so far, described by `what`
 * @throws MoietyError `disk` where the system runs out of something; a file that cannot be read is no error
 */
export async function scan(
  paths: readonly string[],
  reading: ScanReading,
  what: string,
  onProgress?: OnProgress,
): Promise<Scan> {
  const states = new Float64Array(4 * paths.length)
  const contents = new Uint8Array(reading === 'nothing' ? 0 : 32 * paths.length)
  let [next, done] = [0, 0]
  const work = async (look: (request: ScanRequest) => Promise<ScanReply>): Promise<void> => {
    while (next < paths.length) {
      const from = next
      const part = paths.slice(from, from + inOneGo)
      next += part.length
      const reply = await look({ paths: part, reading })
      for (const { at, code, message } of reply.failures)
        rethrowExhausted(Object.assign(new Error(message), { code }), 'read', part[at]!)
      states.set(reply.states, 4 * from)
      if (reading !== 'nothing') contents.set(reply.contents, 32 * from)
      done += part.length
      onProgress?.({ done, total: paths.length, what })
    }
  }
  if (paths.length < fewFiles)
    await work(async request => {
      const reply = scanFiles(request, fs, createHash)
      await nextTurn()
      return reply
    })
  else {
    const threads = takeThreads()
    try {
      await Promise.all(threads.map(thread => work(request => thread.look(request))))
    } finally {
      giveBack(threads)
    }
  }
  return { states, contents }
}

/** Opening looks at files several times, and threads take longer to start than to look at a thousand files. */
let idle: readonly ScanThread[] = []
const idleMilliseconds = 1000

function takeThreads(): readonly ScanThread[] {
  const threads = idle
  idle = []
  return threads.length > 0 ? threads : Array.from({ length: mostThreads }, () => new ScanThread())
}

function giveBack(threads: readonly ScanThread[]): void {
  if (idle.length > 0) for (const thread of threads) thread.end()
  else {
    idle = threads
    setTimeout(() => {
      if (idle !== threads) return
      idle = []
      for (const thread of threads) thread.end()
    }, idleMilliseconds).unref()
  }
}

/** A thread of its own text, so that it needs no file of its own in a bundle. */
const program = `
const { parentPort } = require('node:worker_threads')
const fs = require('node:fs')
const { createHash } = require('node:crypto')
const scanFiles = ${scanFiles.toString()}
parentPort.on('message', request => {
  const reply = scanFiles(request, fs, createHash)
  parentPort.postMessage(reply, [reply.states.buffer, reply.contents.buffer])
})`

class ScanThread {
  readonly #worker = new Worker(program, { eval: true, execArgv: [] })
  #settle: { resolve(reply: ScanReply): void; reject(cause: unknown): void } | undefined
  #hasFailed = false

  constructor() {
    this.#worker.unref()
    this.#worker.on('message', (reply: ScanReply) => this.#settle?.resolve(reply))
    this.#worker.on('error', cause => {
      this.#hasFailed = true
      this.#settle?.reject(cause)
    })
  }

  async look(request: ScanRequest): Promise<ScanReply> {
    const reply = this.#hasFailed
      ? undefined
      : await new Promise<ScanReply>((resolve, reject) => {
          this.#settle = { resolve, reject }
          this.#worker.ref()
          this.#worker.postMessage(request)
        })
          .catch(() => undefined)
          .finally(() => this.#worker.unref())
    // For example too little memory for a thread: then the main thread looks.
    return reply ?? scanFiles(request, fs, createHash)
  }

  end(): void {
    void this.#worker.terminate()
  }
}
