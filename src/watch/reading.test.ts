import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { readEnd, readSteps, sampleSteps } from './log-parts.ts'
import { openInside } from './open-inside.ts'
import { RunLog } from './run-log.ts'
import { StepBuckets } from './step-buckets.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-watch-log-'))
const path = join(folder, 'metrics.jsonl')
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => rmSync(path, { force: true }))

const step = (number: number, more: object = {}): string =>
  `${JSON.stringify({ kind: 'step', step: number, epoch: 0, loss: number, ...more })}\n`

const steps = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => step(from + i)).join('')

const newLog = (): RunLog => new RunLog(() => openInside(folder, path))

async function readAll(log: RunLog, most = 1 << 20): Promise<string> {
  let reading = await log.read(most)
  for (let i = 0; reading === 'more' && i < 10_000; i++) reading = await log.read(most)
  return reading
}

const losses = (log: RunLog) => log.curves({ layers: false }).curves.loss?.mean ?? []

describe('a log that is read while it is written', () => {
  it('is read on from where it ended, a line in two parts once', async () => {
    const log = newLog()
    expect(await log.read(100)).toBe('missing')
    const whole = step(2)
    writeFileSync(path, step(1) + whole.slice(0, 17))
    expect(await readAll(log)).toBe('end')
    expect(losses(log)).toEqual([1])
    appendFileSync(path, whole.slice(17))
    await readAll(log)
    expect(losses(log)).toEqual([1, 2])
    expect(log.facts).toMatchObject({ lines: 2, damaged: 0, repeated: 0, isWhole: true })
  })

  it('is the same in portions of any size', async () => {
    writeFileSync(path, steps(1, 300))
    const log = newLog()
    await readAll(log, 101)
    expect(losses(log)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1))
  })

  it('counts damaged lines, names the first, and reads what follows', async () => {
    writeFileSync(
      path,
      `${step(1)}{"kind":"step","st\n${step(2)}[1]\n{"kind":"step","step":-1}\n{"kind":"step","step":1e300}\n\n${step(3)}`,
    )
    const log = newLog()
    await readAll(log)
    expect(losses(log)).toEqual([1, 2, 3])
    expect(log.facts).toMatchObject({ lines: 8, damaged: 5, damagedLines: [2, 4, 5, 6, 7] })
  })

  it('passes over a line that is too long, which is one damaged line, without holding it', async () => {
    writeFileSync(path, `${step(1)}${'x'.repeat(17e6)}\n${step(2)}`)
    const log = newLog()
    await readAll(log)
    expect(losses(log)).toEqual([1, 2])
    expect(log.facts).toMatchObject({ damaged: 1, damagedLines: [2] })
  })

  it('is read from its start where a resume has cut it, also when it has grown beyond its length since', async () => {
    writeFileSync(path, steps(1, 20))
    const log = newLog()
    await readAll(log)
    const { generation } = log
    truncateSync(path, steps(1, 10).length)
    await readAll(log)
    expect(losses(log)).toHaveLength(10)
    expect(log.generation).not.toBe(generation)
    const again = Array.from({ length: 30 }, (_, i) => step(11 + i, { loss: -1 })).join('')
    writeFileSync(path, steps(1, 5) + again)
    await readAll(log)
    expect(losses(log).slice(0, 5)).toEqual([1, 2, 3, 4, 5])
    expect(losses(log).at(-1)).toBe(-1)
    expect(log.facts.lines).toBe(35)
  })

  it('is read from its start where the folder was replaced, and is empty where it is gone', async () => {
    writeFileSync(path, steps(1, 20))
    const log = newLog()
    await readAll(log)
    writeFileSync(join(folder, 'other'), steps(1, 25))
    renameSync(join(folder, 'other'), path)
    await readAll(log)
    expect(log.facts.lines).toBe(25)
    rmSync(path)
    expect(await log.read(1000)).toBe('missing')
    expect(losses(log)).toEqual([])
  })

  it('of steps that are taken again has the newest, and counts them', async () => {
    const epoch = (number: number): string =>
      `${JSON.stringify({ kind: 'epoch', epoch: 0, step: number, split: 'val', loss: number, top1: 0.5, layers: [] })}\n`
    writeFileSync(path, steps(1, 10) + epoch(10) + step(7, { loss: 70 }) + step(8, { loss: 80 }))
    const log = newLog()
    await readAll(log)
    expect(losses(log)).toEqual([1, 2, 3, 4, 5, 6, 70, 80])
    expect(log.facts.repeated).toBe(4)
    expect(log.epochs).toEqual([])
  })

  it('counts steps that are not finite', async () => {
    writeFileSync(path, step(1) + step(2, { loss: null, nonFinite: { loss: 'NaN' } }) + step(3))
    const log = newLog()
    await readAll(log)
    expect(losses(log)).toEqual([1, null, 3])
    expect(log.facts.nonFinite).toBe(1)
  })

  it('is not read through a link that leads out of the watched folder', async () => {
    const inside = join(folder, 'inside')
    mkdirSync(inside)
    writeFileSync(path, steps(1, 3))
    symlinkSync(path, join(inside, 'metrics.jsonl'))
    expect(await openInside(inside, join(inside, 'metrics.jsonl'))).toBeUndefined()
    const file = await openInside(folder, join(inside, 'metrics.jsonl'))
    expect(file).toBeDefined()
    await file?.close()
  })
})

describe('what a line says of mixtures', () => {
  it('becomes shares, excluded steps and counters of each expert', async () => {
    const layers = (shares: number[], excluded?: number[]) => ({
      layers: { layer4: { shares, ...(excluded ? { excluded } : {}), counters: { r: shares } } },
    })
    writeFileSync(path, step(1, layers([0.5, 0.5])) + step(2, layers([1, 0], [1])))
    const log = newLog()
    await readAll(log)
    const [layer] = log.curves({ layers: true }).layers
    expect(layer).toEqual({
      name: 'layer4',
      shares: [
        [0.5, 0.5],
        [1, 0],
      ],
      excluded: [
        [0, 0],
        [0, 1],
      ],
      counters: {
        r: [
          [0.5, 0.5],
          [1, 0],
        ],
      },
    })
  })

  it('may be anything: what is no number is left out', async () => {
    writeFileSync(
      path,
      step(1, { loss: 'x', top1: { a: 1 }, layers: [1, null] }) +
        step(2, { layers: { a: null, b: { shares: 'x' }, c: { shares: [null, 'x', 0.5], counters: 3 } } }) +
        '{"kind":"epoch","step":2,"epoch":0,"split":"val","layers":[null,{"name":"a"}],"top1":null,"__proto__":{"x":1}}\n' +
        '{"kind":"alarm","step":2}\n{"kind":"examples","step":2,"layers":{"a":[[{"image":"x"}],7]}}\n',
    )
    const log = newLog()
    await readAll(log)
    expect(log.facts).toMatchObject({ lines: 5, damaged: 0 })
    expect(log.curves({ layers: true }).layers.map(({ name }) => name)).toEqual(['c'])
    expect(log.epochs[0]?.measures).toEqual({ top1: null })
    expect(log.tests[0]?.layers.get('a')).toEqual([[], []])
  })
})

describe('buckets', () => {
  it('hold every extreme value and the mean in bounded memory', () => {
    const buckets = new StepBuckets(16)
    for (let number = 1; number <= 1000; number++) {
      const bucket = buckets.at(number)
      buckets.put(bucket, 'loss', 'range', number === 500 ? 1e6 : number)
      buckets.put(bucket, 'counter', 'last', number)
    }
    expect(buckets.width).toBe(64)
    const filled = buckets.filled()
    expect(filled).toHaveLength(16)
    const loss = buckets.curve('loss', filled)!
    // Steps 448 to 511 are bucket 7.
    expect(loss.max![7]).toBe(1e6)
    expect(loss.min![7]).toBe(448)
    expect(loss.mean[0]).toBe(32)
    expect(loss.mean[7]).toBeCloseTo((((448 + 511) / 2) * 64 - 500 + 1e6) / 64, 0)
    expect(buckets.curve('counter', filled)!.mean.slice(0, 2)).toEqual([63, 127])
    expect(buckets.steps(filled).slice(0, 2)).toEqual([63, 127])
  })

  it('take as much memory for 10 million steps as for ten thousand', () => {
    const of = (last: number): number => {
      const buckets = new StepBuckets(1024)
      for (let number = 1; number <= last; number += last / 5000)
        buckets.put(buckets.at(Math.floor(number)), 'loss', 'range', number)
      return buckets.bytes
    }
    expect(of(10_000_000)).toBe(of(10_000))
  })

  it('forget steps from one on', () => {
    const buckets = new StepBuckets(64)
    for (let number = 1; number <= 10; number++) buckets.put(buckets.at(number), 'loss', 'range', number)
    buckets.rewind(4)
    expect(buckets.curve('loss', buckets.filled())!.mean).toEqual([1, 2, 3])
  })
})

/** Bytes that this process has read so far; 0 where the system does not say. */
function bytesRead(): number {
  const counts = '/proc/self/io'
  return existsSync(counts) ? Number(/rchar: (\d+)/.exec(readFileSync(counts, 'utf8'))?.[1]) : 0
}

describe('parts of a long log', () => {
  const test = `${JSON.stringify({ kind: 'epoch', epoch: 0, step: 500, split: 'val', top1: 0.25, layers: [] })}\n`

  it('are read without the rest: samples, a range, the end and the newest test', async () => {
    writeFileSync(path, steps(1, 500) + test + steps(501, 60_000))
    const file = await open(path)
    const { size } = await file.stat()
    let before = bytesRead()
    const sampled = (await sampleSteps(file, 100)).map(line => line.step)
    expect(sampled[0]).toBe(1)
    expect(sampled.at(-1)).toBe(60_000)
    expect(sampled.length).toBeGreaterThanOrEqual(100)
    expect(sampled).toEqual([...new Set(sampled)].sort((a, b) => a - b))
    expect(bytesRead() - before).toBeLessThan(size / 4)
    before = bytesRead()
    const found: number[] = []
    const isWhole = await readSteps(file, { from: 30_000, to: 30_100, most: 1e9 }, line =>
      found.push(line.step),
    )
    expect(isWhole).toBe(true)
    expect(found).toEqual(Array.from({ length: 101 }, (_, i) => 30_000 + i))
    expect(bytesRead() - before).toBeLessThan(size / 2)
    const end = await readEnd(file, size, 1e9)
    expect(end.step?.step).toBe(60_000)
    expect(end.others.map(line => line.step)).toEqual([500])
    await file.close()
  })

  it('are found with long lines and damaged ones between', async () => {
    const long = 'y'.repeat(30_000)
    const content = Array.from(
      { length: 200 },
      (_, i) => (i % 3 === 0 ? `${long}\n` : '') + step(i + 1, { note: i % 5 === 0 ? long : '' }),
    )
    writeFileSync(path, content.join(''))
    const file = await open(path)
    const found: number[] = []
    await readSteps(file, { from: 50, to: 60, most: 1e9 }, line => found.push(line.step))
    expect(found).toEqual([50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60])
    expect((await sampleSteps(file, 20)).at(-1)?.step).toBe(200)
    await file.close()
  })
})
