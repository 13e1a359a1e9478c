import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/*
 * Loaded before a command, for `signalledAt` and `heldAt` in tiny.ts: acts in the process that trains, as soon as a step is in its
 * log, so that no test has to be in time. Step 0 is the beginning of the process.
 */
const { step, operations, signal, until } = JSON.parse(process.env.MOIETY_TEST_STEP ?? '')

/** Operations on files that are still to come before it acts; undefined before the step and after that. */
let left = step === 0 && isMainThread ? operations : undefined

function act() {
  left = undefined
  if (signal !== undefined) process.kill(process.pid, signal)
  else while (!fs.existsSync(until)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
}

/** Whether that is the line of the step in `metrics.jsonl`. */
function isStep(bytes) {
  const text = Buffer.from(bytes).toString()
  if (!text.startsWith('{"kind":"step",')) return false
  return JSON.parse(text).step === step
}

for (const name of ['openSync', 'writeSync', 'fsyncSync', 'closeSync', 'mkdirSync', 'renameSync', 'rmSync']) {
  const original = fs[name]
  fs[name] = (...words) => {
    if (left !== undefined && left-- === 0) act()
    const result = original(...words)
    if (name === 'writeSync' && left === undefined && isStep(words[1])) left = operations
    if (left === 0) act()
    return result
  }
}
syncBuiltinESMExports()
