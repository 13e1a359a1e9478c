import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { floats, type HostTensor, type State } from '../base/tensor.ts'
import {
  type CheckpointContent,
  cleanCheckpoints,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts'

let run: string
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'moiety-checkpoint-'))
})
afterEach(() => rmSync(run, { recursive: true, force: true }))

function stateAt(step: number, size = 3): State {
  const values = Array.from({ length: size }, (_, i) => step + i / 8)
  return new Map<string, HostTensor>([
    ['fc.weight', floats([size], values)],
    ['layer4.relative.counter', { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(step)) }],
    ['optimizer.m.fc.weight', floats([size], values)],
    ['optimizer.step', { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(step)) }],
  ])
}

function contentAt(step: number, size = 3): CheckpointContent {
  return {
    step,
    epoch: 1,
    batch: step - 5,
    config: 'c0ffee',
    state: stateAt(step, size),
    extra: { best: 0.5 },
  }
}

function errorOf(action: () => unknown): MoietyError {
  try {
    action()
  } catch (cause) {
    if (cause instanceof MoietyError) return cause
    throw cause
  }
  throw new Error('nothing was refused')
}

describe('a checkpoint', () => {
  it('gives back what was written', () => {
    const path = writeCheckpoint(run, contentAt(7))
    expect(path).toBe(join(run, 'checkpoints', 'step-000007'))
    const { state, moiety, identity, ...rest } = readCheckpoint(path)
    const { state: written, ...expected } = contentAt(7)
    expect(rest).toEqual({ ...expected, path })
    expect(moiety).toMatch(/^\d+\.\d+\.\d+/)
    expect(identity).toMatch(/^[0-9a-f]{64}$/)
    expect(new Map([...state].sort())).toEqual(new Map([...written].sort()))
  })

  it('keeps the optimizer apart, so that model.safetensors is a model', () => {
    const path = writeCheckpoint(run, contentAt(7))
    expect(readdirSync(path).sort()).toEqual(['model.safetensors', 'optimizer.safetensors', 'state.json'])
    expect(readFileSync(join(path, 'model.safetensors'), 'latin1')).not.toContain('optimizer.')
    expect(readFileSync(join(path, 'optimizer.safetensors'), 'latin1')).not.toContain('"fc.weight"')
  })

  it('has the same bytes when the same state is written again, whatever its order', () => {
    const files = ['model.safetensors', 'optimizer.safetensors', 'state.json']
    const bytes = (path: string): Buffer[] => files.map(file => readFileSync(join(path, file)))
    const first = bytes(writeCheckpoint(run, contentAt(7)))
    const turned = { ...contentAt(7), state: new Map([...stateAt(7)].reverse()) }
    expect(bytes(writeCheckpoint(join(run, 'other'), turned))).toEqual(first)
  })

  it('is refused when a float is not finite, and earlier ones stay', () => {
    writeCheckpoint(run, contentAt(7), { keep: 1 })
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const state = new Map([...stateAt(8), ['optimizer.v.fc.weight', floats([2], [0, value])]])
      const error = errorOf(() => writeCheckpoint(run, { ...contentAt(8), state }, { keep: 1 }))
      expect(error.kind).toBe('diverged')
      expect(error.message).toContain(`"optimizer.v.fc.weight" holds ${value} (value 1) after step 8`)
    }
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['step-000007'])
  })

  it('replaces one of the same step', () => {
    writeCheckpoint(run, contentAt(7))
    const path = writeCheckpoint(run, { ...contentAt(7), config: 'other' })
    expect(readCheckpoint(path).config).toBe('other')
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['step-000007'])
  })
})

describe('the checkpoints of a run', () => {
  it('are listed by step, beyond a million steps too, and nothing else is', () => {
    for (const step of [1_000_000, 20, 999_999]) writeCheckpoint(run, contentAt(step))
    for (const name of ['step-7', 'step-0000020', '.writing-step-000030', 'step-000040.bak', 'notes']) {
      writeFileSync(join(run, 'checkpoints', name), '')
    }
    expect(listCheckpoints(run).map(({ step }) => step)).toEqual([20, 999_999, 1_000_000])
  })

  it('are none in a folder that has none', () => {
    expect(listCheckpoints(run)).toEqual([])
    expect(latestCheckpoint(run, { fallback: false })).toEqual({ checkpoint: undefined, damaged: [] })
  })

  it('are pruned to the newest, but later ones than the one written are left', () => {
    for (const step of [10, 20, 30, 90]) writeCheckpoint(run, contentAt(step))
    writeCheckpoint(run, contentAt(40), { keep: 2 })
    expect(listCheckpoints(run).map(({ step }) => step)).toEqual([30, 40, 90])
    expect(readdirSync(join(run, 'checkpoints'))).toHaveLength(3)
  })

  it('are freed of what killed processes left, and a replaced one gets its name back', () => {
    writeCheckpoint(run, contentAt(10))
    const folder = join(run, 'checkpoints')
    writeCheckpoint(join(run, 'other'), contentAt(20))
    for (const name of ['.writing-step-000030', '.removing-step-000005', '.replaced-step-000010']) {
      writeFileSync(join(folder, name), '')
    }
    const away = join(run, 'other', 'checkpoints', 'step-000020')
    const aside = join(folder, '.replaced-step-000020')
    // The state after a kill between the two renames of a replacement.
    cpSync(away, aside, { recursive: true })
    cleanCheckpoints(run)
    expect(readdirSync(folder).sort()).toEqual(['step-000010', 'step-000020'])
    expect(latestCheckpoint(run, { fallback: false }).checkpoint?.step).toBe(20)
  })
})

describe('damage', () => {
  /** Several blocks of 4 KB in each of the two files. */
  const size = 5000
  const files = ['model.safetensors', 'optimizer.safetensors', 'state.json']

  /** Every 4 KB, the places around each, and the last byte. */
  function places(length: number): number[] {
    const found = new Set<number>([0, 7, 8, length - 1])
    for (let block = 4096; block < length; block += 4096) found.add(block - 1).add(block)
    return [...found].filter(place => place < length)
  }

  it('of one bit anywhere is found and names the file', () => {
    const path = writeCheckpoint(run, contentAt(7, size))
    for (const name of files) {
      const file = join(path, name)
      const bytes = readFileSync(file)
      // state.json is small, so every byte of it.
      const tried = name === 'state.json' ? [...bytes.keys()] : places(bytes.length)
      for (const place of tried) {
        const bits = name === 'state.json' ? [place % 8] : [0, 3, 7]
        for (const bit of bits) {
          const flipped = Buffer.from(bytes)
          flipped[place]! ^= 1 << bit
          writeFileSync(file, flipped)
          const error = errorOf(() => readCheckpoint(path))
          expect(error.kind).toBe('disk')
          expect(error.where).toBe(file)
        }
      }
      writeFileSync(file, bytes)
    }
    expect(readCheckpoint(path).step).toBe(7)
  })

  it('by truncation, growth or loss of a file is found and names the file', () => {
    const path = writeCheckpoint(run, contentAt(7, size))
    for (const name of files) {
      const file = join(path, name)
      const bytes = readFileSync(file)
      for (const length of places(bytes.length)) {
        writeFileSync(file, bytes)
        truncateSync(file, length)
        expect(errorOf(() => readCheckpoint(path)).where).toBe(file)
      }
      writeFileSync(file, Buffer.concat([bytes, Buffer.from('\n')]))
      expect(errorOf(() => readCheckpoint(path)).where).toBe(file)
      rmSync(file)
      expect(errorOf(() => readCheckpoint(path)).message).toContain(`${name}: it is missing`)
      writeFileSync(file, bytes)
    }
    expect(readCheckpoint(path).step).toBe(7)
  })

  it('of a file grown beyond memory is found without reading it', () => {
    const path = writeCheckpoint(run, contentAt(7))
    truncateSync(join(path, 'model.safetensors'), 2 ** 40)
    expect(statSync(join(path, 'model.safetensors')).size).toBe(2 ** 40)
    expect(errorOf(() => readCheckpoint(path)).message).toContain('it has 1099511627776 bytes')
  })

  it('of the newest offers the newest intact one, and is passed over only when asked', () => {
    for (const step of [10, 20, 30, 40]) writeCheckpoint(run, contentAt(step))
    const pathOf = (step: number): string => join(run, 'checkpoints', `step-0000${step}`)
    truncateSync(join(pathOf(40), 'model.safetensors'), 9)
    rmSync(join(pathOf(30), 'state.json'))

    const error = errorOf(() => latestCheckpoint(run, { fallback: false }))
    expect(error.kind).toBe('disk')
    expect(error.message).toContain(`${pathOf(40)} is damaged: model.safetensors`)
    expect(error.help).toBe(
      `moiety train --resume=auto --out RUN resumes from ${pathOf(20)} (step 20), which is intact`,
    )

    const { checkpoint, damaged } = latestCheckpoint(run, { fallback: true })
    expect(checkpoint?.step).toBe(20)
    expect(damaged.map(({ step, file }) => [step, file])).toEqual([
      [40, 'model.safetensors'],
      [30, 'state.json'],
    ])
  })

  it.skipIf(process.platform === 'win32').each(['state.json', 'model.safetensors'])(
    'by a folder, a link to itself or a device in the place of %s is skipped with `fallback`',
    name => {
      writeCheckpoint(run, contentAt(7))
      writeCheckpoint(run, contentAt(8))
      const file = join(run, 'checkpoints', 'step-000008', name)
      for (const put of [
        () => mkdirSync(file),
        () => symlinkSync(name, file),
        () => symlinkSync('/dev/zero', file),
      ]) {
        rmSync(file, { recursive: true })
        put()
        const { checkpoint, damaged } = latestCheckpoint(run, { fallback: true })
        expect([checkpoint?.step, damaged.map(({ file: of }) => of)]).toEqual([7, [name]])
        expect(errorOf(() => latestCheckpoint(run, { fallback: false })).help).toContain('--resume=auto')
      }
    },
  )

  it('of every checkpoint is an error even with fallback', () => {
    for (const step of [10, 20]) {
      truncateSync(join(writeCheckpoint(run, contentAt(step)), 'state.json'), 5)
    }
    const error = errorOf(() => latestCheckpoint(run, { fallback: true }))
    expect(error.message).toContain('all 2 checkpoints')
    expect(error.message).toContain('step-000020: state.json')
  })
})
