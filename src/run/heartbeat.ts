/**
 * The heartbeat of a lock, in a separate thread: preparing a large network or writing a large checkpoint can occupy the main thread
 * for a minute, and a lock without a heartbeat for so long would be taken over although its process runs.
 */
import { Worker } from 'node:worker_threads'

/** The file of a lock: a count between two texts that never change. */
export interface CountedFile {
  readonly path: string
  readonly before: string
  readonly after: string
  /** Digits of the count, which starts at 0. */
  readonly digits: number
}

/**
 * Increments a counter in a file until the returned function is called. It writes in place and never creates the file, so one that was removed is
 * not recreated; and only while the file has the same two texts, so the lock of another process is never changed. It does not keep the
 * process alive.
 *
 * @param milliseconds - between two beats
 */
export function startHeartbeat(file: CountedFile, milliseconds: number): () => void {
  // As text: the command line is bundled into few files, and Node 20 starts no thread from TypeScript.
  const program = `
    const { workerData } = require('node:worker_threads')
    setInterval((${counter.toString()})(workerData.file), workerData.milliseconds)`
  const worker = new Worker(program, { eval: true, execArgv: [], workerData: { file, milliseconds } })
  worker.unref()
  let isStopped = false
  let substitute: NodeJS.Timeout | undefined
  // For example too little memory for a thread: then the main thread counts, whenever it is free.
  worker.on('error', () => {
    if (isStopped) return
    substitute = setInterval(counter(file), milliseconds)
    substitute.unref()
  })
  return () => {
    isStopped = true
    clearInterval(substitute)
    void worker.terminate()
  }
}

/** One beat. It may use nothing from outside of itself, because the thread receives it as text. */
function counter({ path, before, after, digits }: CountedFile): () => void {
  const fs = process.getBuiltinModule('node:fs')
  // Neither is available on Windows.
  const { O_RDWR, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants
  const [head, tail] = [Buffer.from(before), Buffer.from(after)]
  const length = head.length + digits + tail.length
  let count = 0
  return () => {
    count += 1
    let file: number | undefined
    try {
      file = fs.openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW)
      const found = Buffer.alloc(length + 1)
      const isWhole = fs.readSync(file, found, 0, length + 1, 0) === length
      const isSame =
        found.subarray(0, head.length).equals(head) &&
        found.subarray(length - tail.length, length).equals(tail)
      if (isWhole && isSame) {
        const written = Buffer.from(String(count).padStart(digits, '0'))
        fs.writeSync(file, written, 0, digits, head.length)
      }
    } catch {
      // The file is gone, or the disk does not respond: the process notices when it checks its lock.
    } finally {
      if (file !== undefined) fs.closeSync(file)
    }
  }
}
