import { fork } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { listCheckpoints, readCheckpoint } from '../src/run/checkpoint.ts'
import { readMetrics } from '../src/run/metrics-log.ts'
import type { Placement } from '../src/runtime/index.ts'
import type { StepDifference } from '../src/train/probe-step.ts'
import { differenceOf } from '../src/train/probe-step.ts'
import { newFolder, signalledAt, start, writeRecipe } from './tiny.ts'

/*
 * WebGPU without a graphics card: Debian's chromium brings SwiftShader, which is Vulkan on the processor. The engine finds it by the
 * environment. It compiles some hundred shaders for a network, which takes most of the time.
 */
const icd = [
  process.env.SWIFTSHADER_ICD,
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
].find(file => file !== undefined && existsSync(file))
const title =
  icd === undefined
    ? 'WebGPU by SwiftShader (skipped: no vk_swiftshader_icd.json; install chromium, or set SWIFTSHADER_ICD)'
    : 'WebGPU by SwiftShader'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const environment = { VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: dirname(icd ?? ''), NO_COLOR: '1' }
const begin = (...words: string[]) => start(words, undefined, undefined, environment, folder)
const moiety = (...words: string[]) => begin(...words).ended

interface DeviceJson {
  readonly device: string
  readonly outcome: string
  readonly placement?: Placement
  readonly pooling?: { readonly outcome: string; readonly placement?: Placement }
}

/** What `device-steps.js` sends of a network. */
interface Taken {
  readonly name: string
  /** Of each step on the processor. */
  readonly losses: readonly number[]
  readonly difference: StepDifference
  readonly placement: Placement
}

/** Steps of networks on SwiftShader and on the processor. */
async function stepsOf(steps: number, ...networks: string[]): Promise<Taken[]> {
  const program = fileURLToPath(new URL('device-steps.js', import.meta.url))
  const child = fork(program, ['webgpu', String(steps), ...networks], {
    silent: true,
    execArgv: [],
    env: { ...process.env, ...environment },
  })
  const taken: Taken[] = []
  let said = ''
  child.stderr!.on('data', text => {
    said += text
  })
  child.stdout!.resume()
  child.on('message', (one: Taken) => taken.push(one))
  const code = await new Promise(resolve => child.on('close', resolve))
  expect(code, said).toBe(0)
  return taken
}

/** The losses of a run's steps. */
const lossesOf = (run: string): number[] =>
  readMetrics(join(run, 'metrics.jsonl')).flatMap(line => (line.kind === 'step' ? [Number(line.loss)] : []))

describe.skipIf(icd === undefined)(title, () => {
  it("doctor says that a step of training is the CPU's, and that nothing of it falls back to the CPU", async () => {
    const doctor = await moiety('doctor', '--json')
    expect(doctor.code, doctor.stderr).toBe(0)
    const { devices }: { readonly devices: readonly DeviceJson[] } = JSON.parse(doctor.stdout)
    // Three experts by sparse dispatch.
    const placement = { fallbacks: [], extents: 3 }
    const trains = { outcome: 'trains', placement }
    expect(devices.find(({ device }) => device === 'webgpu')).toMatchObject({ ...trains, pooling: trains })
  })

  it("ten steps of mixtures with every constraint, a ResNet-18 and a RetinaNet are the CPU's", async () => {
    const taken = await stepsOf(10, 'mixtures', 'resnet', 'retinanet')
    expect(taken.map(({ name }) => name)).toEqual(['mixtures', 'resnet', 'retinanet'])
    for (const { name, losses, difference, placement } of taken) {
      // Something was learned, and rounding alone differs; see `tolerancesOf`.
      expect(new Set(losses).size, name).toBe(10)
      expect(difference.loss, name).toBeLessThan(1e-3)
      expect(difference.state, `${name}: ${difference.tensor}`).toBeLessThan(0.02)
      expect(placement.fallbacks, name).toEqual([])
      expect(placement.extents, name).toBeGreaterThan(0)
    }
  })

  it("a training that is killed and resumed there ends where the CPU's does, and its run is evaluated there", async () => {
    // Two layers, of which one is a mixture: few shaders to compile.
    const use = ['--use', join(root, 'examples', 'own-components.mjs')]
    const recipe = writeRecipe(folder, {
      data: { name: 'colours', options: { train: 48 } },
      model: { network: { name: 'two-blocks' }, moe: [] },
      optimizer: { name: 'sgd', learningRate: 0.01 },
      training: { epochs: 1, batch: 16, checkpointEvery: { steps: 1 }, keepCheckpoints: 3 },
    })
    const train = ['train', recipe, ...use, '--threads', '1']
    const [cpu, webgpu] = [join(folder, 'cpu'), join(folder, 'webgpu')]
    const plain = await moiety(...train, '--out', cpu)
    expect(plain.code, plain.stderr).toBe(0)

    const first = [...train, '--device', 'webgpu', '--out', webgpu]
    const killed = await signalledAt(1, 'SIGKILL', first, { environment })
    expect(killed.signal, killed.stderr).toBe('SIGKILL')
    const resumed = await moiety('train', '--resume', ...use, '--out', webgpu)
    expect(resumed.code, resumed.stderr).toBe(0)

    const [wanted, got] = [lossesOf(cpu), lossesOf(webgpu)]
    expect(wanted).toHaveLength(3)
    expect(got).toHaveLength(3)
    for (const [i, loss] of wanted.entries()) expect(got[i]! / loss, `step ${i}`).toBeCloseTo(1, 3)
    const states = [webgpu, cpu].map(run => readCheckpoint(listCheckpoints(run).at(-1)!.path).state)
    const withLoss = (state: (typeof states)[number], losses: number[]) =>
      new Map<string, { readonly data: ArrayLike<number | bigint> }>([['loss', { data: losses }], ...state])
    const difference = differenceOf(withLoss(states[0]!, got), withLoss(states[1]!, wanted))
    // Rounding gives 4e-6 after three steps; later an input of relu may change its sign by rounding.
    expect(difference.state, difference.tensor).toBeLessThan(1e-3)

    const evaluated = await Promise.all(
      ['cpu', 'webgpu'].map(async device => {
        const { code, stdout, stderr } = await moiety('eval', webgpu, ...use, '--device', device, '--json')
        expect(code, stderr).toBe(0)
        return JSON.parse(stdout) as { readonly loss: number; readonly measures: object }
      }),
    )
    expect(evaluated[1]!.loss / evaluated[0]!.loss).toBeCloseTo(1, 4)
    expect(evaluated[1]!.measures).toEqual(evaluated[0]!.measures)
  })
})
