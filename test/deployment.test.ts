import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { exportRun } from '../src/export/index.ts'
import { predictRun } from '../src/predict/index.ts'
import { newFolder } from './tiny.ts'
import { detectorFacts, detectorState, smallDetector } from './untrained-detector.ts'
import { writeRun } from './untrained-run.ts'

/**
 * The programs of `examples/deploy` find with an exported detector what `moiety predict` finds. The one in Python runs where
 * MOIETY_PYTHON names a Python with onnxruntime and pillow.
 */
const python = process.env.MOIETY_PYTHON
if (python === undefined) console.warn('deploy/detect.py is not tested: MOIETY_PYTHON names no Python')
const example = (name: string): string =>
  fileURLToPath(new URL(`../examples/deploy/${name}`, import.meta.url))

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Sides that become whole pixels only by rounding: 90 / 123 · 77 = 56.34, for example, so that the axes' ratios differ. */
const sizes = [
  [123, 77],
  [77, 123],
  [401, 13],
  [61, 61],
] as const
type Kind = 'waves' | 'plain'
const pathOf = ([width, height]: readonly [number, number], kind: Kind = 'waves'): string =>
  join(folder, `${kind}-${width}x${height}.png`)

const config = smallDetector({ mixture: { experts: 4, k: 2 } }, {}, { size: 90 })
const run = join(folder, 'run')
let model = ''

const answer = z.array(
  z.object({ class: z.string(), category_id: z.number(), score: z.number(), box: z.array(z.number()) }),
)

beforeAll(async () => {
  writeRun(run, config, { state: detectorState(config), data: detectorFacts })
  model = (await exportRun({ run })).file
  for (const size of sizes) {
    const [width, height] = size
    const wave = (at: number, period: number): number => 100 + 90 * Math.sin((2 * Math.PI * at) / period)
    const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
      return wave([x, y, x + y][i % 3]!, [23, 17, 31][i % 3]!)
    })
    await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(pathOf(size))
    // Of one colour, which no library averages differently.
    await sharp({ create: { width, height, channels: 3, background: '#20c040' } }).toFile(
      pathOf(size, 'plain'),
    )
  }
})

/** What `predict` finds in an image: class, score and corners, best first. */
async function predicted(path: string) {
  const { detections = [] } = await predictRun({ run, images: [path], coco: true })
  return detections
    .toSorted((a, b) => b.score - a.score)
    .map(({ categoryId, score, box: [x, y, width, height] }) => ({
      ...{ categoryId, score, box: [x, y, x + width, y + height] },
    }))
}

async function found(command: string, words: readonly string[], drawing: string) {
  const { stdout } = await promisify(execFile)(command, [...words, drawing])
  const { width, height } = await sharp(drawing).metadata()
  return { detections: answer.parse(JSON.parse(stdout)), drawn: [width, height] }
}

/** Each of `wanted` is among `got`, with its score and its corners. */
function expectSame(got: z.infer<typeof answer>, wanted: Awaited<ReturnType<typeof predicted>>): void {
  for (const one of wanted) {
    const distances = got
      .filter(other => other.category_id === one.categoryId && Math.abs(other.score - one.score) < 1e-4)
      .map(({ box }) => Math.max(...box.map((edge, i) => Math.abs(edge - one.box[i]!))))
    expect(Math.min(...distances), `score ${one.score}, box ${one.box}`).toBeLessThan(1e-3)
  }
}

describe('an exported detector in a program of its own', () => {
  it.each(sizes)('in Node finds the boxes of predict, to rounding: %i×%i', async (width, height) => {
    const path = pathOf([width, height])
    const wanted = await predicted(path)
    expect(wanted.length).toBeGreaterThan(3)
    const drawing = join(folder, `node-${width}.png`)
    const { detections, drawn } = await found(process.execPath, [example('detect.mjs'), model, path], drawing)
    expect(detections).toHaveLength(wanted.length)
    expectSame(detections, wanted)
    expect(drawn).toEqual([width, height])
    for (const one of detections)
      expect(detectorFacts.classes[detectorFacts.detection.categoryIds.indexOf(one.category_id as 1)]).toBe(
        one.class,
      )
  })

  it.skipIf(python === undefined).each(sizes)(
    'in Python finds the boxes of predict, to rounding: %i×%i',
    async (width, height) => {
      const path = pathOf([width, height], 'plain')
      const wanted = await predicted(path)
      expect(wanted.length).toBeGreaterThan(3)
      const drawing = join(folder, `python-${width}.png`)
      const { detections, drawn } = await found(python!, [example('detect.py'), model, path], drawing)
      expect(detections).toHaveLength(wanted.length)
      expectSame(detections, wanted)
      expect(drawn).toEqual([width, height])
    },
  )

  it('refuses an image that belongs onto the other canvas', async () => {
    const two = smallDetector({}, {}, { size: 90, shortest: 64 })
    const own = writeRun(join(folder, 'two'), two, { state: detectorState(two), data: detectorFacts })
    const { file } = await exportRun({ run: own })
    const words = [example('detect.mjs'), file, pathOf([77, 123]), join(folder, 'none.png')]
    await expect(promisify(execFile)(process.execPath, words)).rejects.toThrow('the other canvas')
  })
})
