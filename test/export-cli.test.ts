import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readMetadata } from '../src/export/index.ts'
import { listCheckpoints } from '../src/run/checkpoint.ts'
import { moiety, newFolder, start } from './tiny.ts'
import { smallConfig, writeRun } from './untrained-run.ts'

/** `moiety export` as a person meets it: what it prints, and what it says when something is wrong. */
const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const config = smallConfig([{ position: 4, experts: 4, k: 2 }])
let runs = 0
const newRun = (): string => writeRun(join(folder, `run-${runs++}`), config)

describe('moiety export', () => {
  const run = newRun()
  let printed = ''
  beforeAll(async () => {
    const { code, stdout, stderr } = await start(['export', run]).ended
    expect([code, stderr]).toEqual([0, ''])
    printed = stdout
  })

  it('writes model.onnx into the run, and says where, how large, what goes in and out and how to run it', () => {
    const file = join(run, 'model.onnx')
    expect(printed).toContain(file)
    expect(printed).toContain('kB')
    expect(printed).toMatch(/operator set 18, file format 8/)
    expect(printed).toMatch(
      /in {3}images +float32 \[N, 3, 16, 16\] +\(RGB \/ 255 − \[0\.500, 0\.450, 0\.400\]\)/,
    )
    expect(printed).toMatch(/out {2}logits +float32 \[N, 5\]/)
    expect(printed).toMatch(/out {2}layer4\.weights +float32 \[N, 4\] .*2 of 4/)
    expect(printed).toContain("new Tensor('float32', pixels, [1, 3, 16, 16])")
    expect(printed).toMatch(/(\d+) of \1 BatchNorms/)
    expect(readMetadata(readFileSync(file)).recipe).toBe('tiny')
  })

  it('says the same as JSON, for any form', async () => {
    const out = join(folder, 'other.onnx')
    const flags = ['--routing', 'dense', '--batch', '2', '--uint8', '--channels-last', '--out', out, '--json']
    const { code, stdout } = await moiety('export', run, ...flags)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      file: out,
      bytes: statSync(out).size,
      inputs: [{ name: 'images', dtype: 'uint8', shape: [2, 16, 16, 3] }],
      metadata: { routing: 'dense', input: { layout: 'NHWC', batch: 2 } },
      hubFiles: [],
    })
  })

  it('writes a folder for a hub, named or not', async () => {
    const named = join(folder, 'named')
    for (const [flags, hub] of [
      [[], join(run, 'hub')],
      [[named], named],
    ] as const) {
      const { code, stdout } = await moiety('export', run, '--safetensors', ...flags)
      expect(code).toBe(0)
      expect(stdout).toContain(join(hub, 'model.safetensors'))
      expect(readdirSync(hub).sort()).toEqual(['README.md', 'config.json', 'model.safetensors'])
    }
  })
})

describe('moiety export refuses with a message and an exit code', () => {
  const run = newRun()
  const fails = async (...words: string[]) => {
    const { code, stdout, stderr } = await moiety('export', ...words)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^error: /m)
    expect(stderr).not.toMatch(/bug in Moiety/)
    return { code, stderr }
  }

  it('a folder that is no run, or is not there', async () => {
    for (const place of [folder, join(folder, 'nowhere')]) {
      const { code, stderr } = await fails(place)
      expect(code).toBe(2)
      expect(stderr).toContain(`there is no run in ${place}`)
    }
  })

  it.skipIf(process.platform === 'win32')('a hub folder that leads out of the run', async () => {
    const foreign = newRun()
    const outside = newFolder()
    symlinkSync(outside, join(foreign, 'hub'))
    const { code, stderr } = await fails(foreign, '--safetensors')
    expect([code, stderr]).toEqual([2, expect.stringContaining('found a link that leads out of it')])
    expect(readdirSync(outside)).toEqual([])
  })

  it('a run without a checkpoint', async () => {
    const empty = newRun()
    rmSync(join(empty, 'checkpoints'), { recursive: true })
    const { code, stderr } = await fails(empty)
    expect([code, stderr]).toEqual([2, expect.stringContaining('no checkpoint yet')])
  })

  it('a damaged checkpoint, and names the file', async () => {
    const damaged = newRun()
    const file = join(listCheckpoints(damaged)[0]!.path, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    writeFileSync(file, bytes)
    const { code, stderr } = await fails(damaged)
    expect([code, stderr]).toEqual([5, expect.stringMatching(/is damaged: model\.safetensors: its SHA-256/)])
    expect(readdirSync(damaged)).not.toContain('model.onnx')
  })

  it('a checkpoint of another network than config.json describes', async () => {
    const foreign = newRun()
    const model = { ...config.model, width: 5 }
    writeFileSync(join(foreign, 'config.json'), JSON.stringify({ ...config, model }))
    const { code, stderr } = await fails(foreign)
    expect(code).toBe(5)
    expect(stderr).toMatch(/other tensors than the configuration:.*first: .*: the model has \[/)
  })

  it('a config.json that is not JSON, or of something else', async () => {
    const other = newRun()
    writeFileSync(join(other, 'config.json'), '{"seed": 4')
    expect(await fails(other)).toEqual({ code: 5, stderr: expect.stringContaining('is not JSON') })
    writeFileSync(join(other, 'config.json'), '{"hidden_size": 768}')
    expect(await fails(other)).toEqual({ code: 2, stderr: expect.stringContaining('hidden_size') })
  })

  it('flags with values that they do not take', async () => {
    const routing = await fails(run, '--routing', 'dens')
    expect(routing).toEqual({ code: 2, stderr: expect.stringMatching(/"dens"[\s\S]*did you mean dense\?/) })
    for (const batch of ['0', '-1', '1.5', 'many', '']) {
      const { code, stderr } = await fails(run, `--batch=${batch}`)
      expect([code, stderr]).toEqual([2, expect.stringContaining(`came "${batch}"`)])
    }
    const { code } = await moiety('export', run, '--routng', 'dense')
    expect(code).toBe(2)
  })

  it('a file that is none of ONNX, in a folder that is not there, or that is a folder', async () => {
    const config = readFileSync(join(run, 'config.json'))
    const wrong = await fails(run, '--out', join(run, 'config.json'))
    expect(wrong).toEqual({ code: 2, stderr: expect.stringContaining('ends in .onnx') })
    expect(readFileSync(join(run, 'config.json'))).toEqual(config)
    const nowhere = await fails(run, '--out', join(folder, 'no', 'such', 'model.onnx'))
    expect(nowhere).toEqual({
      code: 2,
      stderr: expect.stringContaining(`no folder ${join(folder, 'no', 'such')}`),
    })
    const taken = join(folder, 'folder.onnx')
    mkdirSync(taken)
    expect((await fails(run, '--out', taken)).code).toBe(5)
    expect(readdirSync(folder).filter(name => name.startsWith('.writing-'))).toEqual([])
  })

  // The superuser may write anywhere.
  it.skipIf(process.getuid?.() === 0)('a folder that cannot be written', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o555)
    const { code, stderr } = await fails(run, '--out', join(closed, 'model.onnx'))
    expect([code, stderr]).toEqual([5, expect.stringContaining('permission denied (EACCES)')])
  })
})
