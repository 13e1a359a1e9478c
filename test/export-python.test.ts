import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { exportRun } from '../src/export/index.ts'
import { decodeMetadata } from '../src/export/metadata.ts'
import {
  detectorFacts,
  detectorState,
  evaluatedDetector,
  expectSameDetections,
  smallDetector,
} from './untrained-detector.ts'
import {
  evaluated,
  farthest,
  normalised,
  randomPixels,
  randomState,
  smallConfig,
  writeRun,
} from './untrained-run.ts'

/**
 * The reference checker of ONNX and ONNX Runtime in Python, where there is a Python that has both: its path goes into
 * MOIETY_PYTHON. Otherwise these tests are skipped, which is said.
 */
const python = process.env.MOIETY_PYTHON
if (python === undefined) console.warn('export-python.test.ts is skipped: MOIETY_PYTHON names no Python')
const script = fileURLToPath(new URL('check_onnx.py', import.meta.url))

const folder = join(tmpdir(), `moiety-python-${process.pid}`)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const answer = z.object({
  outputs: z.record(z.string(), z.object({ dims: z.array(z.number()), data: z.array(z.number()) })),
  metadata: z.record(z.string(), z.string()),
})

const size = 16
const pixels = randomPixels(4, size)
const floats = normalised(pixels, size)
const layer = { experts: 4, k: 2 }
const models = {
  blocks: [
    { ...layer, position: 4 },
    { ...layer, position: 2, style: 'block', gate: 'conv-gap-fc' },
  ],
  convolutions: [
    { ...layer, position: 0, style: 'conv' },
    { ...layer, position: 3, style: 'conv' },
  ],
  'one expert': [{ position: 4, experts: 1, k: 1 }],
  'K = 1': [{ position: 4, experts: 3, k: 1, weighting: 'softmax-before-top-k' }],
}
const forms = {
  sparse: { routing: 'sparse' },
  dense: { routing: 'dense', batch: 4 },
  'sparse, uint8': { routing: 'sparse', uint8: true },
} as const

const cases = Object.entries(models).flatMap(([model, moe]) =>
  Object.entries(forms).map(([form, options]) => ({ name: `${model}, ${form}`, moe, options })),
)

describe.skipIf(python === undefined)('with MOIETY_PYTHON: an exported model', () => {
  it.each(cases)(
    'passes the checker, and gives the same logits in Python: $name',
    async ({ name, moe, options }) => {
      const config = smallConfig(moe)
      const state = randomState(config)
      const run = writeRun(join(folder, name), config, { state })
      const { file, metadata } = await exportRun({ run, ...options })
      const images = join(run, 'images.bin')
      writeFileSync(images, 'uint8' in options ? pixels : floats)
      const text = execFileSync(python!, [script, file, images], { encoding: 'utf8', maxBuffer: 1 << 26 })
      const { outputs, metadata: pairs } = answer.parse(JSON.parse(text))
      const expected = await evaluated(config, state, floats)
      for (const [output, { data, dims }] of Object.entries(outputs)) {
        expect(dims).toEqual(expected[output]!.dims)
        expect(farthest(data, expected[output]!.data), output).toBeLessThan(1e-4)
      }
      expect(Object.keys(outputs)).toContain('logits')
      expect(decodeMetadata(pairs, 'Python')).toEqual(metadata)
    },
  )
})

const mixture = { experts: 4, k: 2, constraint: { name: 'kl', weight: 0.25 } }
const detectors = {
  'plain heads': [],
  'both heads, a gate each': [{ mixture }],
  'both heads, one gate': [{ mixture: { ...mixture, gates: 'shared' } }],
  'the last convolutions': [{ mixture: { ...mixture, part: 'last-conv' } }],
  'the regression head': [{ mixture: { ...mixture, heads: 'regression' } }],
} as const

describe.skipIf(python === undefined)('with MOIETY_PYTHON: an exported detector', () => {
  it.each(Object.entries(detectors))(
    'passes the checker, and finds the same in Python: %s',
    async (name, [detector]) => {
      const config = smallDetector(detector)
      const state = detectorState(config)
      const run = writeRun(join(folder, `detector ${name}`), config, { state, data: detectorFacts })
      const given = normalised(randomPixels(3, 64), 64)
      const images = join(run, 'images.bin')
      writeFileSync(images, given)
      for (const routing of ['sparse', 'dense'] as const) {
        const { file, metadata } = await exportRun({ run, routing, batch: routing === 'dense' ? 3 : null })
        const text = execFileSync(python!, [script, file, images], { encoding: 'utf8', maxBuffer: 1 << 26 })
        const { outputs, metadata: pairs } = answer.parse(JSON.parse(text))
        expectSameDetections(outputs, await evaluatedDetector(config, state, given))
        expect(decodeMetadata(pairs, 'Python')).toEqual(metadata)
      }
    },
  )
})
