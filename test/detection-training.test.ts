import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../src/base/random.ts'
import type { HostTensor } from '../src/base/tensor.ts'
import { decodeSafetensors } from '../src/files/safetensors.ts'
import { listCheckpoints } from '../src/run/checkpoint.ts'
import { readMetrics } from '../src/run/metrics-log.ts'
import { fingerprint, moiety, newFolder, signalledAt, writeRecipe, writeTinyCoco } from './tiny.ts'

/**
 * `moiety train` with a detector: as of a classifier, a training that is killed or interrupted anywhere and resumed ends
 * with the bits of one that was not, over canvases of two shapes and batches that are not full.
 */
const folder = newFolder()
const mixture = {
  experts: 2,
  k: 1,
  weighting: 'softmax-before-top-k',
  noise: true,
  constraint: { name: 'kl', weight: 0.25 },
}
// Each form of batch is a program, slow to make, in every process: four images that are wide, and two that are high and not a full batch.
const images = { train: 6, test: 2 }
const config = (directory: string) => ({
  seed: 5,
  data: { name: 'coco', directory, size: 64, shortest: 48 },
  model: {
    name: 'resnet18',
    stem: 'strided',
    width: 4,
    detector: {
      channels: 8,
      headDepth: 1,
      mixture,
    },
  },
  optimizer: { name: 'adam', learningRate: 1e-3 },
  training: { epochs: 6, batch: 4, checkpointEvery: { steps: 2 }, evaluateEvery: 4 },
  engine: { threads: 1 },
})
const steps = 12
let recipe: string
let control: ReturnType<typeof fingerprint>
const controlRun = join(folder, 'control')

beforeAll(async () => {
  const data = await writeTinyCoco(join(folder, 'data'), images)
  recipe = writeRecipe(folder, config(data))
  const { code, stderr } = await moiety('train', recipe, '--out', controlRun)
  expect(code, stderr).toBe(0)
  control = fingerprint(controlRun)
})

const words = (...keys: string[]): string[] => keys.flatMap(key => ['--set', key])
const shorter = ['training.epochs=3', 'model.detector.mixture=null']

/** The run of a detector without mixtures, which two tests begin from. */
let plainRun: Promise<string> | undefined
async function plainTrained(): Promise<string> {
  const run = join(folder, 'plain')
  const { code, stderr } = await moiety('train', recipe, ...words(...shorter), '--out', run)
  expect(code, stderr).toBe(0)
  return run
}

describe('the training of a detector', () => {
  it("measures both parts of its loss in every step and COCO's numbers when it is tested", () => {
    expect(control.step).toBe(steps)
    const lines = readMetrics(join(controlRun, 'metrics.jsonl'))
    const stepLines = lines.filter(({ kind }) => kind === 'step')
    expect(stepLines).toHaveLength(steps)
    for (const { taskLoss, classificationLoss, regressionLoss } of stepLines)
      expect(Number(classificationLoss) + Number(regressionLoss)).toBeCloseTo(Number(taskLoss), 4)
    const tests = lines.filter(({ kind, split }) => kind === 'epoch' && split === 'val')
    expect(tests.map(({ epoch }) => epoch)).toEqual([3, 5])
    for (const line of tests) expect(Object.keys(line)).toEqual(expect.arrayContaining(['AP', 'AP50', 'ARl']))
    const layer = JSON.parse(readFileSync(join(controlRun, 'summary.json'), 'utf8')).layers[0]
    // Each input, a level of an image, chooses K = 1 of the experts.
    expect(layer.activation.reduce((a: number, b: number) => a + b, 0)).toBeCloseTo(1, 6)
  })

  it('ends, after three kills at random moments, with the bits of an uninterrupted one', async () => {
    const run = join(folder, 'killed')
    const source = draws(12, 'kills')
    for (let kill = 0; kill < 3; kill++) {
      const words = ['train', recipe, '--out', run, ...(kill === 0 ? [] : ['--resume'])]
      const saved = kill === 0 ? 0 : (listCheckpoints(run).at(-1)?.step ?? 0)
      const step = saved + 1 + source.below(2)
      const { signal, stderr } = await signalledAt(step, 'SIGKILL', words, { operations: source.below(30) })
      expect(signal, stderr).toBe('SIGKILL')
    }
    const { code, stderr } = await moiety('train', recipe, '--out', run, '--resume')
    expect(code, stderr).toBe(0)
    expect(fingerprint(run)).toEqual(control)
  })

  it('divides each batch between two engines on request, also when resumed after a kill', async () => {
    // Each form of batch is a program of each engine, which are slow to make: a full one and one of a single image will do.
    const wide = await writeTinyCoco(join(folder, 'wide'), { train: 5, test: 2, wide: true })
    const whole = ['train', recipe, '--set', `data.directory=${wide}`]
    const [divided, resumed] = [join(folder, 'divided'), join(folder, 'divided and killed')]
    const inTwo = [...whole, '--set', 'training.replicas=2']
    const { code, stderr } = await moiety(...inTwo, '--out', divided)
    expect(code, stderr).toBe(0)
    expect(fingerprint(divided).step).toBe(12)
    expect((await signalledAt(7, 'SIGKILL', [...inTwo, '--out', resumed])).signal).toBe('SIGKILL')
    const after = await moiety('train', '--resume', '--out', resumed)
    expect(after.code, after.stderr).toBe(0)
    expect(fingerprint(resumed)).toEqual(fingerprint(divided))
  })

  it('divides batches on canvases of two shapes, and begins with the losses of whole ones', async () => {
    const divided = join(folder, 'divided, two shapes')
    const keys = words('training.replicas=2', 'training.epochs=1')
    const { code, stderr } = await moiety('train', recipe, ...keys, '--out', divided)
    expect(code, stderr).toBe(0)
    expect(fingerprint(divided).step).toBe(steps / 6)
    // The same images and weights; only BatchNorm sees two at a time instead of four.
    const [first, firstDivided] = [controlRun, divided].map(run =>
      readMetrics(join(run, 'metrics.jsonl')).find(({ kind }) => kind === 'step'),
    )
    for (const loss of ['classificationLoss', 'regressionLoss']) {
      expect(firstDivided?.[loss], loss).not.toBe(first?.[loss])
      expect(Number(firstDivided?.[loss]) / Number(first?.[loss]), loss).toBeCloseTo(1, 1)
    }
  })

  it('trains experts on the frozen trunk of a plain detector, and leaves the trunk as it was', async () => {
    plainRun ??= plainTrained()
    const [plain, run] = [await plainRun, join(folder, 'on a trunk')]
    const tensors = (out: string): Map<string, HostTensor>[] =>
      listCheckpoints(out).map(({ path }) => {
        const file = join(path, 'model.safetensors')
        return decodeSafetensors(readFileSync(file), file).tensors
      })
    const before = tensors(plain).at(-1)!
    const from = [`model.weights=${plain}`, 'model.weightsPart=trunk', 'model.detector.freeze=trunk']
    const keys = words(...from, 'training.epochs=2')
    const { code, stderr } = await moiety('train', recipe, ...keys, '--out', run)
    expect(code, stderr).toBe(0)
    const [earlier, later] = tensors(run)
    const isOfMixture = (name: string): boolean => /_head\.(gate|experts|constraint)/.test(name)
    const trunk = [...later!.keys()].filter(name => !isOfMixture(name))
    expect(trunk.length).toBeGreaterThan(100)
    for (const name of trunk) expect(later!.get(name), name).toEqual(before.get(name))
    const weights = [...later!.keys()].filter(name => /_head\.experts\.\d\.\S*weight$/.test(name))
    expect(weights.length).toBeGreaterThan(6)
    expect(weights.some(name => String(later!.get(name)!.data) !== String(earlier!.get(name)!.data))).toBe(
      true,
    )
  })

  it('trains from stage 4 on with the early stages frozen, leaves them and all averages as they were, also after a kill', async () => {
    plainRun ??= plainTrained()
    const plain = await plainRun
    const [run, killed] = ['early stages', 'early stages, killed'].map(name => join(folder, name))
    const frozen = words(
      ...shorter,
      `model.weights=${plain}`,
      'model.weightsPart=copies',
      'model.detector.freeze=early-stages',
      'model.detector.initialisation=original',
      'model.detector.scoreClamp=1e-4',
      'model.moe=[{"position":4,"style":"block","experts":2,"k":2,"expertWidth":32,"gate":"relu-gap-fc"}]',
    )
    const { code, stderr } = await moiety('train', recipe, ...frozen, '--out', run!)
    expect(code, stderr).toBe(0)
    const last = (path: string): ReadonlyMap<string, HostTensor> => {
      const file = join(listCheckpoints(path).at(-1)!.path, 'model.safetensors')
      return decodeSafetensors(readFileSync(file), file).tensors
    }
    const [before, after] = [last(plain), last(run!)]
    const isKept = (name: string): boolean => /^(conv1|bn1|layer[123])\.|running_/.test(name)
    const original = (name: string) => before.get(name.replace(/\.experts\.\d/, ''))
    for (const [name, tensor] of after) if (isKept(name)) expect(tensor, name).toEqual(original(name))
    const moved = (name: string): boolean => String(after.get(name)?.data) !== String(original(name)?.data)
    for (const name of ['layer4.experts.1.0.conv1.weight', 'layer4.experts.0.1.bn2.bias'])
      expect(moved(name), name).toBe(true)
    expect(moved('fpn.layer_blocks.0.0.weight') && moved('head.regression_head.bbox_reg.weight')).toBe(true)

    const stopped = await signalledAt(4, 'SIGKILL', ['train', recipe, ...frozen, '--out', killed!])
    expect(stopped.signal, stopped.stderr).toBe('SIGKILL')
    const resumed = await moiety('train', '--resume', '--out', killed!)
    expect(resumed.code, resumed.stderr).toBe(0)
    expect(fingerprint(killed!)).toEqual(fingerprint(run!))
  })

  it('leaves a clean checkpoint on SIGTERM, and going on gives the same bits', async () => {
    const run = join(folder, 'interrupted')
    const { code, stdout, stderr } = await signalledAt(3, 'SIGTERM', ['train', recipe, '--out', run])
    expect(code, stderr).toBe(143)
    expect(stdout).toContain(`moiety train --resume --out ${run}`)
    expect(listCheckpoints(run).at(-1)!.step).toBeLessThan(steps)
    const resumed = await moiety('train', '--resume', '--out', run)
    expect(resumed.code, resumed.stderr).toBe(0)
    expect(fingerprint(run)).toEqual(control)
  })

  it.each<[string, Parameters<typeof writeTinyCoco>[1], string]>([
    [
      'fewer images',
      { ...images, train: 5 },
      'the run began with 6 images to train, 2 to validate and 0 to test on',
    ],
    ['another box', { ...images, moved: true }, 'of other classes or in another order, or with other boxes'],
  ])('refuses to go on with %s', async (what, change, message) => {
    const other = await writeTinyCoco(join(folder, what), change)
    const run = join(folder, `run with ${what}`)
    // Data is compared before it is asked whether anything is left to train.
    cpSync(controlRun, run, { recursive: true })
    const keys = words(`data.directory=${other}`)
    const { code, stderr } = await moiety('train', '--resume', '--out', run, ...keys)
    expect(code).toBe(3)
    expect(stderr).toContain(message)
  })
})
