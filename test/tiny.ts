import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { draws } from '../src/base/random.ts'
import { listCheckpoints } from '../src/run/checkpoint.ts'
import { readEvents } from './tensorboard-reader.ts'

/** A training that takes seconds, for tests of what happens around training. */

export const command = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'moiety-tiny-'))
}

/** One CIFAR-100 record of class `label`: stripes whose direction and colour tell the class, and noise. */
function record(label: number, classes: number, index: number, purpose: string): Uint8Array {
  const source = draws(3, purpose, index)
  const bytes = new Uint8Array(2 + 3 * 1024)
  bytes[0] = label % 2
  bytes[1] = label
  for (let channel = 0; channel < 3; channel++) {
    for (let at = 0; at < 1024; at++) {
      const place = label % 2 === 0 ? at % 32 : Math.floor(at / 32)
      const isBright = place % 8 < 4 && channel === Math.floor((3 * label) / classes)
      bytes[2 + channel * 1024 + at] = (isBright ? 170 : 60) + source.below(60)
    }
  }
  return bytes
}

/**
 * A folder in the layout of CIFAR-100 with a few images of the first classes. Batches of 16 divide them: one that is not full
 * takes a program of its own, which is slow to make.
 */
export function writeTinyCifar(folder: string, { train = 96, test = 32, classes = 4 } = {}): string {
  mkdirSync(folder, { recursive: true })
  const write = (name: string, count: number): void => {
    // A great many repeat the first ones.
    const different = Math.min(count, 100 * classes)
    const records = Array.from({ length: different }, (_, i) => record(i % classes, classes, i, name))
    const all = Array.from({ length: count }, (_, i) => records[i % different]!)
    writeFileSync(join(folder, name), Buffer.concat(all))
  }
  write('train.bin', train)
  write('test.bin', test)
  const names = (prefix: string, count: number): string =>
    `${Array.from({ length: count }, (_, i) => `${prefix}${i}`).join('\n')}\n`
  writeFileSync(join(folder, 'fine_label_names.txt'), names('class', 100))
  writeFileSync(join(folder, 'coarse_label_names.txt'), names('super', 20))
  return folder
}

/** The configuration of the tiny training; each constraint is in a ResBlock-MoE, from position 3 on. */
export function tinyConfig(
  data: string,
  constraints: readonly object[] = [{ constraint: { name: 'importance' } }],
): Record<string, unknown> {
  const layer = { style: 'resblock', experts: 4, k: 2 }
  return {
    seed: 5,
    data: { name: 'cifar100', directory: data },
    augmentation: { flip: 0.5, crop: { padding: 2, mode: 'zero' } },
    model: {
      name: 'resnet18',
      width: 4,
      moe: constraints.map((fields, i) => ({ ...layer, position: 3 + i, ...fields })),
    },
    optimizer: { name: 'adam', learningRate: 0.003 },
    schedule: { name: 'cosine' },
    training: { epochs: 4, batch: 16, checkpointEvery: { steps: 1 }, keepCheckpoints: 3 },
    engine: { threads: 1 },
  }
}

/** Writes a recipe with a configuration, for the command line. */
export function writeRecipe(folder: string, config: object): string {
  const file = join(folder, 'recipe.json')
  const recipe = { name: 'tiny', title: 'Tiny', description: 'for tests', config, reached: null }
  writeFileSync(file, JSON.stringify(recipe))
  return file
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts the command line. */
export function start(
  words: readonly string[],
  executable = process.execPath,
  first = [command],
  environment: NodeJS.ProcessEnv = {},
  cwd?: string,
): { readonly child: ChildProcess; readonly ended: Promise<Ended>; readonly said: () => string } {
  const child = spawn(executable, [...first, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    ...(cwd === undefined ? {} : { cwd }),
  })
  const output = { stdout: '', stderr: '' }
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  const ended = new Promise<Ended>(resolve => {
    child.on('close', (code, signal) => resolve({ code, signal, ...output }))
  })
  return { child, ended, said: () => output.stderr }
}

/** Processes in which commands are run, and which run none now. */
const idle: ChildProcess[] = []
const host = fileURLToPath(new URL('./command-host.js', import.meta.url))

/**
 * Runs a command to its end, in a process that has run others before. For what a signal, a terminal, the environment or what
 * is left running does to a command, and for workers, there is `start`, which begins a process of its own.
 */
export async function moiety(...words: string[]): Promise<Ended> {
  let child = idle.pop()
  while (child !== undefined && !child.connected) child = idle.pop()
  child ??= fork(host, { silent: true, execArgv: [] })
  const process = child
  // What native code writes, past Node's streams.
  const native = { stdout: '', stderr: '' }
  const listen = (name: 'stdout' | 'stderr') => {
    const add = (text: Buffer): void => {
      native[name] += text.toString()
    }
    process[name]!.on('data', add)
    return () => process[name]!.off('data', add).resume()
  }
  const silence = [listen('stdout'), listen('stderr')]
  const ended = await new Promise<Ended>((resolve, reject) => {
    const died = (code: number | null, signal: NodeJS.Signals | null): void =>
      reject(
        new Error(`the process of \`${words.join(' ')}\` ended with ${code ?? signal}: ${native.stderr}`),
      )
    process.once('exit', died)
    process.once('message', (message: Ended) => {
      process.off('exit', died)
      resolve(message)
    })
    process.send(words)
  })
  for (const end of silence) end()
  idle.push(process)
  return { ...ended, stdout: ended.stdout + native.stdout, stderr: ended.stderr + native.stderr }
}

const atStep = new URL('./at-step.js', import.meta.url).href

/**
 * Runs a command that sends itself a signal once a step is in the log of its run, and so many operations on files later: a test that
 * waited for the step and sent the signal could be too late.
 */
export async function signalledAt(
  step: number,
  signal: NodeJS.Signals,
  words: readonly string[],
  { operations = 0, environment = {} }: { operations?: number; environment?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const acts = { MOIETY_TEST_STEP: JSON.stringify({ step, signal, operations }) }
  const first = ['--import', atStep, command]
  return await start(words, process.execPath, first, { ...environment, ...acts }).ended
}

/** The environment of commands whose trainings stop at a step until they are released; what they start has it too. */
export function heldAt(step: number): { readonly environment: NodeJS.ProcessEnv; release(): void } {
  const until = join(newFolder(), 'released')
  const acts = JSON.stringify({ step, operations: 0, until })
  return {
    environment: { MOIETY_TEST_STEP: acts, NODE_OPTIONS: `--import ${atStep}` },
    release: () => writeFileSync(until, ''),
  }
}

/** How many lines a run's metrics have so far. */
export function metricLines(run: string): number {
  const file = join(run, 'metrics.jsonl')
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
}

/** The last step in a run's log; 0 before there is one. */
export function lastStep(run: string): number {
  const file = join(run, 'metrics.jsonl')
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  const line = lines.findLast(text => text.startsWith('{"kind":"step",') && text.endsWith('}'))
  return line === undefined ? 0 : (JSON.parse(line) as { readonly step: number }).step
}

/** Waits until the run's metrics have so many lines, or the process has ended. */
export async function untilLines(run: string, count: number, child: ChildProcess): Promise<void> {
  while (metricLines(run) < count && child.exitCode === null && child.signalCode === null) {
    await new Promise(resolve => setTimeout(resolve, 4))
  }
}

/**
 * What must be equal however often a training was interrupted: the last checkpoint's bytes, and the logs but for times. Of
 * TensorBoard's files, all that they hold together.
 */
export function fingerprint(run: string): {
  readonly step: number
  readonly files: Record<string, string>
  readonly metrics: unknown[]
  readonly board: readonly string[]
} {
  const { step, path } = listCheckpoints(run).at(-1)!
  const files = Object.fromEntries(
    ['model.safetensors', 'optimizer.safetensors', 'state.json'].map(name => [
      name,
      readFileSync(join(path, name)).toString('base64'),
    ]),
  )
  const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => ({ ...JSON.parse(line), seconds: 0 }) as unknown)
  return { step, files, metrics, board: boardOf(run) }
}

/** Step, tags and a hash of the values of each event, in order. */
function boardOf(run: string): string[] {
  const files = readdirSync(run).filter(name => name.startsWith('events.out.tfevents.'))
  const events = files.sort().flatMap(name => readEvents(readFileSync(join(run, name))))
  return events.flatMap(({ step, values, plugins = {} }) => {
    const tags = [...Object.keys(values ?? {}), ...Object.keys(plugins)].filter(
      tag => !tag.endsWith('end_info'),
    )
    const hash = createHash('sha256')
      .update(JSON.stringify(values ?? {}))
      .digest('hex')
    return tags.length === 0 ? [] : [`${step} ${tags.join(', ')} ${hash}`]
  })
}

/**
 * A folder in COCO's format: images of one or two coloured rectangles on grey, a third of them higher than wide unless all are
 * `wide`, one without objects, one with a crowd before its object; the categories, red and blue, have the ids 3 and 7. With
 * `moved` the first box is a pixel further to the right.
 */
export async function writeTinyCoco(
  folder: string,
  { train = 13, test = 5, moved = false, wide = false } = {},
): Promise<string> {
  mkdirSync(join(folder, 'images'), { recursive: true })
  const categories = [
    { id: 3, name: 'red', supercategory: 'warm' },
    { id: 7, name: 'blue', supercategory: 'cold' },
  ]
  for (const [side, count] of [
    ['train', train],
    ['val', test],
  ] as const) {
    const images: object[] = []
    const annotations: object[] = []
    for (let i = 0; i < count; i++) {
      const source = draws(3, `tiny coco ${side}`, i)
      const [width, height] = i % 3 === 2 && !wide ? [48, 64] : [64, 48]
      const pixels = Buffer.alloc(width * height * 3, 110)
      const id = 10 * i + 1
      if (i === 3)
        annotations.push({
          id: annotations.length + 1,
          image_id: id,
          category_id: 3,
          bbox: [0, 0, 20, 20],
          area: 300,
          iscrowd: 1,
        })
      for (let object = 0; object < (i === 1 ? 0 : 1 + (i % 2)); object++) {
        const colour = source.below(2)
        const [w, h] = [12 + source.below(20), 12 + source.below(20)]
        const [x, y] = [source.below(width - w), source.below(height - h)]
        for (let row = y; row < y + h; row++)
          for (let column = x; column < x + w; column++) pixels[3 * (row * width + column) + 2 * colour] = 240
        const category = categories[colour]!
        const isMoved = moved && side === 'train' && i === 0
        annotations.push({
          id: annotations.length + 1,
          image_id: id,
          category_id: category.id,
          bbox: [isMoved ? x + 1 : x, y, w, h],
          area: w * h,
          iscrowd: 0,
        })
      }
      const name = `${side}-${i}.png`
      images.push({ id, file_name: name, width, height })
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(folder, 'images', name))
    }
    writeFileSync(join(folder, `instances_${side}.json`), JSON.stringify({ images, categories, annotations }))
  }
  return folder
}
