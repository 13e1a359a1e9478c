import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sampleData } from '../playground/pack-sample.ts'
import { configOf, defaults, readHash, runsOf, writeHash } from '../playground/src/settings.ts'
import { classPreference } from '../playground/src/training/class-preference.ts'
import type { ImageData } from '../playground/src/training/data.ts'
import { decodePixels, encodePixels } from '../playground/src/training/pixel-codec.ts'
import { isRun, neededFiles, openRun, runFiles } from '../playground/src/training/run-files.ts'
import { Training } from '../playground/src/training/training.ts'
import { liftsOf } from '../playground/src/views/class-lifts.ts'
import { draws } from '../src/base/random.ts'
import { exportRun } from '../src/export/index.ts'
import { version } from '../src/files/version.ts'
import { Engine } from '../src/runtime/index.ts'
import { train } from '../src/train/index.ts'

/** The playground's training in Node, where the command line's engine computes it: its numbers are `moiety train`'s, to the bit. */
describe('a training of the playground', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-playground-'))
  const settings = { ...defaults, constraint: 'relative', seed: 7 }
  const config = { ...configOf(settings), engine: { device: 'cpu', threads: 1 } as const }
  let data: ImageData
  let engine: Engine

  beforeAll(async () => {
    data = await sampleData()
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
    rmSync(folder, { recursive: true })
  })

  /** Losses of the command line's steps, up to a number of steps in all. */
  async function commandLine(run: string, steps: number, resume: boolean): Promise<number[]> {
    const losses: number[] = []
    const stop = new AbortController()
    await train({
      ...{ config, run, recipe: 'test', resume, signal: stop.signal },
      onEvent: event => {
        if (event.kind !== 'step') return
        losses.push(event.loss)
        if (event.step === steps) stop.abort()
      },
    })
    return losses
  }

  const place = { version, device: 'wasm', threads: 1, onnxruntime: '1', browser: 'test' }

  it('takes the steps of moiety train, which continues what was exported, and opens what either wrote', async () => {
    const training = await Training.begin(engine, config, data)
    const losses = []
    for (let i = 0; i < 3; i++) losses.push((await training.takeStep()).report.loss)
    const exported = runFiles(await training.snapshot(), data, place)
    for (let i = 0; i < 2; i++) losses.push((await training.takeStep()).report.loss)
    expect(new Set(losses).size).toBe(5)

    const run = join(folder, 'exported')
    for (const [path, bytes] of exported) {
      mkdirSync(dirname(join(run, path)), { recursive: true })
      writeFileSync(join(run, path), bytes)
    }
    expect(await commandLine(run, 5, true)).toEqual(losses.slice(3))
    expect(await commandLine(join(folder, 'own'), 5, false)).toEqual(losses)

    // The log of the resumed run is that of the other, but for times.
    const logOf = (path: string): unknown[] =>
      readFileSync(join(path, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line))
    expect(logOf(run)).toEqual(logOf(join(folder, 'own')))

    // The checkpoint that the command line has written goes on in the playground.
    const files = new Map(
      [
        'config.json',
        'metrics.jsonl',
        ...['state.json', 'model.safetensors', 'optimizer.safetensors'].map(
          file => `checkpoints/step-000005/${file}`,
        ),
      ].map(path => [`exported/${path}`, readFileSync(join(run, path))] as const),
    )
    expect(neededFiles([...files.keys(), 'exported/checkpoints/step-000003/state.json']).toSorted()).toEqual(
      [...files.keys()].toSorted(),
    )
    const opened = openRun(files)
    expect(opened.onlyLooked).toBeUndefined()
    expect(opened.classes).toEqual(data.classes)
    // The engine has one state at a time.
    const next = await training.takeStep()
    const further = await (await Training.begin(engine, opened.snapshot, data)).takeStep()
    expect(further.report).toEqual({ ...next.report, seconds: further.report.seconds })
  })

  it('exports the file that moiety export writes of the same checkpoint', async () => {
    const training = await Training.begin(engine, config, data)
    await training.takeStep()
    const files = runFiles(await training.snapshot(), data, place)
    const run = join(folder, 'for-export')
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(run, path)), { recursive: true })
      writeFileSync(join(run, path), bytes)
    }
    await exportRun({ run, out: join(folder, 'model.onnx') })
    expect(Buffer.from(files.get('model.onnx')!).equals(readFileSync(join(folder, 'model.onnx')))).toBe(true)
  })

  it('refuses damaged runs, and names the file', async () => {
    const training = await Training.begin(engine, config, data)
    const files = new Map(runFiles(await training.snapshot(), data, place))
    const refused = (path: string, bytes: Uint8Array | undefined): string => {
      const changed = new Map(files)
      if (bytes === undefined) changed.delete(path)
      else changed.set(path, bytes)
      try {
        openRun(changed)
        return 'opened'
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    }
    const model = 'checkpoints/step-000000/model.safetensors'
    expect(refused(model, undefined)).toContain(`${model} of the run cannot be used: it is missing`)
    const flipped = Uint8Array.from(files.get(model)!)
    flipped[flipped.length - 1]! ^= 1
    expect(refused(model, flipped)).toContain('its checksum does not match')
    expect(refused('config.json', new TextEncoder().encode('{'))).toContain('it is not JSON')
    expect(refused('checkpoints/step-000000/state.json', new Uint8Array())).toContain('checksum')
    expect(isRun(files)).toBe(true)
    expect(isRun(new Map([['a/b.jpg', 1]]))).toBe(false)
  })
})

describe('pixels', () => {
  it('come back as they were', () => {
    const source = draws(3, 'pixels')
    const pixels = Uint8Array.from({ length: 4 * 3 * 25 }, (_, i) =>
      i < 75 ? source.below(256) : (i * 7) % 256,
    )
    expect(decodePixels(encodePixels(pixels, 5), 5)).toEqual(pixels)
  })
})

describe('the address', () => {
  it.each([
    '',
    '#seed=42',
    '#constraint=kl&seed=7',
    '#e=8&k=3&position=2&gate=conv-gap-fc&constraint=mean&weight=0.1&noise=on&lr=0.01&seed=1',
    '#seed=42&vs=lr:0.1',
    '#device=wasm',
    '#constraint=relative&vs=constraint:kl',
  ])('"%s" is read and written back', hash => {
    const { choice, ignored } = readHash(hash)
    expect(ignored).toEqual([])
    expect(new URLSearchParams(writeHash(choice).slice(1)).toString()).toBe(
      new URLSearchParams(hash.slice(1)).toString(),
    )
  })

  it('says what it passes over, and keeps K at most E', () => {
    const { choice, ignored } = readHash('#e=3&k=9&constraint=magic&lr=fast&colour=red&vs=e:99&weight=-1')
    expect(choice.settings).toEqual({ ...defaults, e: 3, k: 3 })
    expect(choice.against).toBeUndefined()
    expect(ignored.toSorted()).toEqual(['colour=red', 'constraint=magic', 'lr=fast', 'vs=e:99', 'weight=-1'])
  })

  it('describes one run, or two that differ in one thing', () => {
    expect(runsOf(readHash('').choice).map(({ constraint }) => constraint)).toEqual(['none', 'importance'])
    expect(runsOf(readHash('#e=4&k=2&constraint=kl&seed=42').choice)).toEqual([
      { ...defaults, constraint: 'kl' },
    ])
  })
})

describe('what experts prefer', () => {
  const labels = Int32Array.from({ length: 200 }, (_, i) => i % 4)
  const weightsBy = (expertOf: (image: number) => number): Float32Array => {
    const weights = new Float32Array(2 * labels.length)
    for (const image of labels.keys()) weights[2 * image + expertOf(image)] = 1
    return weights
  }

  it('is a bit where two of four classes go to each of two experts, and nothing where classes do not matter', () => {
    const bySeed = draws(3, 'experts')
    const random = weightsBy(() => Math.floor(bySeed.uniform() * 2))
    // Two bits of class decide one bit of expert; what shuffled classes give is (4 − 1)(2 − 1) / (2 · 200 ln 2) = 0.011.
    const specialists = classPreference(
      weightsBy(image => Math.floor((image % 4) / 2)),
      labels,
      2,
    )
    expect(specialists).toBeGreaterThan(0.98)
    expect(specialists).toBeLessThan(0.995)
    expect(classPreference(random, labels, 2)).toBeLessThan(0.02)
    expect(
      classPreference(
        weightsBy(() => 1),
        labels,
        2,
      ),
    ).toBe(0)
    expect(classPreference(new Float32Array(2 * labels.length).fill(0.5), labels, 2)).toBeLessThan(1e-9)
  })

  it('is shown where it is beyond chance', () => {
    // Of class 0, 23 or 40 of 50 images go to expert 0; of the others, every second one.
    const with0 = (count: number) =>
      liftsOf(
        weightsBy(image => {
          const [label, number] = [image % 4, Math.floor(image / 4)]
          return label === 0 ? Number(number >= count) : number % 2
        }),
        labels,
        4,
        2,
      )
    const [few, many] = [with0(23), with0(40)]
    expect(few[0]![0]).toEqual({ ratio: expect.closeTo(23 / 50 / (98 / 200), 6), isBeyondChance: false })
    expect(many[0]![0]).toEqual({ ratio: expect.closeTo(40 / 50 / (115 / 200), 6), isBeyondChance: true })
    const unused = liftsOf(
      weightsBy(() => 1),
      labels,
      4,
      2,
    )
    expect(unused[2]).toEqual([
      { ratio: Number.NaN, isBeyondChance: false },
      { ratio: 1, isBeyondChance: false },
    ])
  })
})
