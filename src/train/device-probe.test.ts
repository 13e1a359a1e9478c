import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import type { TrainEvent } from '../run/events.ts'
import { type Device, Engine, engineVersion, type StepResult } from '../runtime/index.ts'
import { probeTraining, requireTraining, type TrainingReport, tryStep } from './device-probe.ts'
import { differenceOf, exactProbeStep, faultOf, probeStep, type StepTaker } from './probe-step.ts'
import { train } from './train.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-probe-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What the processor gives. */
let right: { readonly state: ReadonlyMap<string, HostTensor>; readonly result: StepResult }
beforeAll(async () => {
  const { step, state, feeds } = probeStep(false)
  const engine = await Engine.start({ threads: 1 })
  try {
    await engine.setState(state)
    const result = await (await engine.load(step.program)).step(feeds, step)
    right = { result, state: await engine.readState() }
  } finally {
    await engine.stop()
  }
})

/** A device that gives what the processor gives, changed; or fails. */
const fake =
  (change: (name: string, data: Float32Array) => void, fails?: Error) => async (): Promise<StepTaker> => ({
    setState: async () => undefined,
    stop: async () => undefined,
    load: async () => ({ step: async () => (fails === undefined ? right.result : Promise.reject(fails)) }),
    readState: async () => {
      const state = structuredClone(right.state)
      for (const [name, { data }] of state) if (data instanceof Float32Array) change(name, data)
      return new Map(state)
    },
  })

const tried = (start: () => Promise<StepTaker>, device: Device = 'webgpu') =>
  tryStep(device, { pools: false, start })

describe('a step of training on a device', () => {
  it('passes where it gives what the CPU gives', async () => {
    const report = await tried(fake(() => undefined))
    expect(report).toMatchObject({ difference: { loss: 0, state: 0 } })
  })

  it('fails where one tensor of the new state is wrong, which is named', async () => {
    const wrong = 'layer2.gate.fc.weight'
    const twice = fake((name, data) => {
      if (name === wrong) for (const [i, value] of data.entries()) data[i] = 2 * value
    })
    expect(await tried(twice)).toEqual({
      reason: `one step of training gives wrong numbers: the new value of ${wrong} differs from the CPU by 1.0e+0, where 0.02 is allowed`,
    })
    const taken = new Map([['loss', right.result.outputs.get('loss')!], ...right.state])
    for (const [name, { data }] of right.state) {
      const zeros = { data: new Float32Array(data.length) }
      const difference = differenceOf(
        new Map<string, { data: HostTensor['data'] }>(taken).set(name, zeros),
        taken,
      )
      expect(difference).toMatchObject({ state: expect.closeTo(1, 6), tensor: name })
    }
  })

  it('fails where a value is NaN', async () => {
    const report = await tried(
      fake((name, data) => {
        if (name === 'fc.weight') data[3] = Number.NaN
      }),
    )
    expect(report).toEqual({
      reason: expect.stringContaining('fc.weight differs from the CPU by what is not'),
    })
  })

  it("fails with the device's own words where it throws", async () => {
    const error = new MoietyError({
      kind: 'data',
      message: 'the engine could not run the program: Erf is\n not supported.',
      where: 'node x (Erf)',
    })
    expect(await tried(fake(() => undefined, error))).toEqual({
      reason: 'Erf is not supported, at node x (Erf)',
    })
    expect(await tried(fake(() => undefined, new Error('no memory')))).toEqual({ reason: 'no memory' })
  })

  it('allows CUDA the rounding of TF32, and no device another loss', () => {
    const difference = { loss: 0, state: 0.05, tensor: 'x' }
    expect(faultOf('cuda', difference, 'the CPU')).toBeUndefined()
    expect(faultOf('webgpu', difference, 'the CPU')).toContain('the new value of x differs')
    expect(faultOf('cuda', { ...difference, loss: 0.01 }, 'the CPU')).toContain('the loss differs')
    expect(faultOf('cuda', { ...difference, loss: Number.NaN }, 'the CPU')).toContain('the loss differs')
  })

  it('has experts that all get images, and a gradient for every parameter', () => {
    for (const pools of [false, true]) {
      const probe = probeStep(pools)
      const exact = exactProbeStep(probe)
      const names = [...exact.keys()].filter(name => name.startsWith('optimizer.velocity.'))
      expect(names.some(name => name.includes('.experts.2.'))).toBe(true)
      expect(names.some(name => name.includes('.gate.noise'))).toBe(true)
      for (const name of names) {
        const { data } = exact.get(name)!
        const size = Math.sqrt(Array.from(data, Number).reduce((sum, value) => sum + value ** 2, 0))
        // Far above rounding, so a relative difference says something.
        expect(size, name).toBeGreaterThan(1e-4)
      }
      expect(differenceOf(exact, exact)).toMatchObject({ loss: 0, state: 0 })
    }
  })
})

describe('probeTraining', () => {
  const program = (code: string): URL => {
    const file = join(folder, 'program.mjs')
    writeFileSync(file, code)
    return pathToFileURL(file)
  }

  it('finds that the processor trains, with either stem', async () => {
    for (const pools of [false, true]) {
      const { outcome, difference, calls } = await probeTraining('cpu', { pools })
      expect(outcome).toBe('trains')
      expect(difference!.state).toBeLessThan(1e-4)
      expect(calls?.version).toBe(engineVersion)
    }
  })

  it('reports a process that crashes or hangs', async () => {
    expect(await probeTraining('cpu', { program: program('process.abort()') })).toMatchObject({
      outcome: 'fails',
      reason: expect.stringMatching(/^one step of training: the process that tried it (crashed|ended)/),
    })
    const hangs = { program: program('setInterval(() => {}, 1000)'), patience: 500 }
    expect(await probeTraining('cpu', hangs)).toMatchObject({
      outcome: 'fails',
      reason: 'one step of training: there was no result after 0.5 s',
    })
  })
})

describe('a training on a device that does not train', () => {
  const where = (device: Device, stem: 'cifar' | 'strided' | 'imagenet' = 'cifar') => ({
    engine: { device },
    model: { stem },
  })
  const answers =
    (fields: Omit<TrainingReport, 'device' | 'calls'>, asked: string[] = []): typeof probeTraining =>
    async (device, options) => {
      asked.push(`${device} ${options?.pools}`)
      return { device, calls: { api: 'c', version: '1' }, ...fields }
    }

  it("is refused with the device's own reason and what to do", async () => {
    await expect(
      requireTraining([where('webgpu')], {}, answers({ outcome: 'fails', reason: 'Erf is not supported' })),
    ).rejects.toMatchObject({
      exitCode: 2,
      message: 'the device "webgpu" computes here, but does not train this network: Erf is not supported',
      where: 'engine.device',
      help: '"cpu" is always available; "moiety doctor" tests all devices',
    })
    await expect(
      requireTraining(
        [where('cuda')],
        {},
        answers({ outcome: 'absent', reason: 'no card', help: 'buy one' }),
      ),
    ).rejects.toThrow('the device "cuda" cannot be used here: no card')
  })

  it('tries each device once for each kind of stem, and never the processor', async () => {
    const asked: string[] = []
    const configs = [
      ...[where('cpu'), where('cpu', 'imagenet'), where('webgpu'), where('webgpu', 'strided')],
      ...[where('webgpu', 'imagenet'), where('cuda')],
    ]
    const tried = await requireTraining(configs, {}, answers({ outcome: 'trains' }, asked))
    expect(asked).toEqual(['webgpu false', 'webgpu true', 'cuda false'])
    expect(await requireTraining(configs, { tried }, answers({ outcome: 'trains' }, asked))).toEqual(tried)
    expect(asked).toHaveLength(3)
  })

  it('is refused before its data is looked for, a folder is made or a lock is touched', async ({ skip }) => {
    const { outcome } = await probeTraining('cuda')
    if (outcome === 'trains') skip('CUDA trains here')
    const config = resolveConfig(
      {
        data: { name: 'cifar100', directory: join(folder, 'nowhere') },
        engine: { device: 'cuda' },
      },
      'test',
    )
    const run = join(folder, 'run')
    await expect(train({ config, run, recipe: 'test', resume: false })).rejects.toThrow('the device "cuda"')
    expect(existsSync(run)).toBe(false)
    expect(readdirSync(folder)).not.toContain('nowhere')
    // What a sweep has tried, its trainings do not try again.
    const events: string[] = []
    const onEvent = (event: TrainEvent) => events.push('what' in event ? event.what : event.kind)
    const again = { config, run, recipe: 'test', resume: false, triedDevices: ['cuda'], onEvent } as const
    await expect(train(again)).rejects.toThrow()
    expect(events.filter(event => event.startsWith('trying'))).toEqual([])
  })
})
