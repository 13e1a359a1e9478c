/**
 * How long `moiety watch` takes to open many long runs, and how much memory: writes their logs, starts the command in a process of its
 * own, and asks what its page asks.
 *
 *     npm run bench:watch -- [--runs 200] [--steps 100000] [--dir DIR]
 *
 * `--dir` keeps the logs (about 24 KB for 100 steps). They may be in the system's cache when they are read: the kernel's, not ours.
 */
import { spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    steps: { type: 'string', default: '100000' },
    dir: { type: 'string' },
  },
})
const [runs, steps] = [Number(values.runs), Number(values.steps)]
const stepsPerEpoch = 1000

/** A log of a classifier with four experts. */
function logText(): string {
  const lines: string[] = []
  for (let step = 1; step <= steps; step++) {
    const loss = 4 * Math.exp((-3 * step) / steps) + 0.3 * Math.random()
    const epoch = Math.floor((step - 1) / stepsPerEpoch)
    const weights = [1, 1, 1, 1].map(weight => weight + 0.4 * (Math.random() - 0.5))
    const total = weights.reduce((a, b) => a + b)
    const shares = weights.map(weight => Number((weight / total).toFixed(4)))
    const measured = { loss, taskLoss: loss, auxLoss: 0, gradientNorm: 1 + Math.random(), weightNorm: 66 }
    const rates = { learningRate: 0.2 * (1 - step / steps), top1: 0.25, top5: 0.5 }
    lines.push(
      JSON.stringify({ kind: 'step', step, epoch, ...measured, ...rates, layers: { layer4: { shares } } }),
    )
    if (step % stepsPerEpoch !== 0) continue
    const layer = {
      name: 'layer4',
      importance: shares,
      activation: shares,
      excluded: [0, 0, 0, 0],
      counters: {},
    }
    for (const split of ['train', 'val'])
      lines.push(
        JSON.stringify({ kind: 'epoch', epoch, step, split, loss, top1: 0.4, layers: [layer], seconds: 50 }),
      )
  }
  return `${lines.join('\n')}\n`
}

function writeRuns(folder: string): void {
  let first: string | undefined
  for (let number = 0; number < runs; number++) {
    const run = join(folder, `run-${number}`)
    const log = join(run, 'metrics.jsonl')
    mkdirSync(run, { recursive: true })
    const config = { seed: number, training: { epochs: steps / stepsPerEpoch, batch: 128 } }
    writeFileSync(join(run, 'config.json'), JSON.stringify(config))
    writeFileSync(join(run, 'environment.json'), '{}')
    if (first === undefined) {
      if (!existsSync(log)) writeFileSync(log, logText())
      first = log
    } else if (!existsSync(log)) copyFileSync(first, log)
  }
}

const folder = values.dir ?? mkdtempSync(join(tmpdir(), 'moiety-watching-'))
writeRuns(folder)
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(2)} s`
const since = performance.now()
const main = fileURLToPath(new URL('../cli/main.js', import.meta.url))
const child = spawn(process.execPath, [main, 'watch', folder, '--json', '--port', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const line = await new Promise<string>(resolve =>
  createInterface({ input: child.stdout }).once('line', resolve),
)
const { address }: { readonly address: string } = JSON.parse(line)
/** Seconds of the processors, which another program's work does not lengthen. */
const computed = (): string => {
  const stat = existsSync(`/proc/${child.pid}/stat`) ? readFileSync(`/proc/${child.pid}/stat`, 'utf8') : ''
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return `${(((user ?? 0) + (system ?? 0)) / 100).toFixed(2)} s of the processors`
}
/** The largest memory so far, and that of now, where the system says them. */
const memory = (): string => {
  const status = existsSync(`/proc/${child.pid}/status`)
    ? readFileSync(`/proc/${child.pid}/status`, 'utf8')
    : ''
  return ['VmHWM', 'VmRSS']
    .map(
      name => `${name} ${Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1000)} MB`,
    )
    .join(', ')
}
const json = async (path: string): Promise<unknown> => (await fetch(address + path)).json()

const events = (await fetch(`${address}api/events`)).body!.getReader()
let text = ''
while (!/data: .*\n\n/.test(text)) text += new TextDecoder().decode((await events.read()).value)
const overview: { readonly runs: readonly { readonly id: string }[] } = JSON.parse(
  /data: (.*)\n/.exec(text)![1]!,
)
console.log(
  `the list of ${overview.runs.length} runs of ${steps} steps: ${seconds(since)} after the start, ${computed()}; ${memory()}`,
)
const ids = overview.runs.map(({ id }) => id)
for (let i = 0; i < ids.length; i += 50) await json(`api/curves?runs=${ids.slice(i, i + 50).join(',')}`)
console.log(`and the curves of all: ${seconds(since)} after the start, ${computed()}; ${memory()}`)
const zoomed = performance.now()
await json(
  `api/range?runs=${ids[0]}&from=${Math.floor(steps / 2)}&to=${Math.floor(steps / 2) + 1000}&points=1000`,
)
console.log(`every step of 1000 in the middle of one: ${seconds(zoomed)}`)
let whole = 0
while (whole < ids.length) {
  await new Promise(resolve => setTimeout(resolve, 1000))
  whole = 0
  for (let i = 0; i < ids.length; i += 50) {
    const known = ids.slice(i, i + 50).map(id => `${id}~0~1~0`)
    const answer = (await json(`api/curves?runs=${known.join(',')}`)) as Record<
      string,
      { readonly isWhole: boolean }
    >
    whole += Object.values(answer).filter(({ isWhole }) => isWhole).length
  }
}
console.log(`and every line of all logs read: ${seconds(since)} after the start, ${computed()}; ${memory()}`)
child.kill('SIGINT')
await events.cancel().catch(() => undefined)
if (values.dir === undefined) rmSync(folder, { recursive: true })
process.exit(0)
