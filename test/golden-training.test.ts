import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HostTensor, scalar, sizeOf } from '../src/base/tensor.ts'
import type { ConstraintConfig } from '../src/config/config.ts'
import { decodeSafetensors } from '../src/files/safetensors.ts'
import { Engine } from '../src/runtime/index.ts'
import { evaluationProgram } from '../src/tasks/classification/evaluation-program.ts'
import { classifierOf } from '../src/tasks/classifier-of.ts'
import { trainingStep } from '../src/train/classification-step.ts'
import { expectClose, goldenFolder, numbers, tensorsUnder } from './golden.ts'

/**
 * Six Adam steps of seven networks against an independent float64 implementation (see fixtures/golden/README.md).
 */
interface GoldenConfig {
  readonly stage: number | null
  readonly experts: number
  readonly k: number
  readonly lr: number
  readonly width: number
  readonly classes: number
  readonly soft?: 'importance' | 'kl'
  readonly hard?: 'relative' | 'mean'
  readonly m?: number
  readonly gate?: 'conv-gap-fc'
  readonly residual?: boolean
  /** Channels inside an expert, by stage. */
  readonly expert_width: Readonly<Record<string, number>>
}

interface LogEntry {
  readonly ce: number
  readonly aux: number
  readonly importance?: readonly number[]
  readonly state?: readonly number[]
}

function constraintOf(config: GoldenConfig): ConstraintConfig {
  if (config.hard !== undefined) return { name: config.hard, threshold: config.m!, lift: null }
  return { name: config.soft!, weight: 0.5, lift: null }
}

const files = readdirSync(goldenFolder).filter(
  name => name.startsWith('train-') && name.endsWith('.safetensors'),
)

describe('six training steps', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 2 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  it('has networks to compare with', () => {
    expect(files.length).toBeGreaterThanOrEqual(7)
  })

  it.each(files)('%s agrees with the independent implementation', async file => {
    const { tensors, metadata } = decodeSafetensors(readFileSync(join(goldenFolder, file)), file)
    const config = JSON.parse(metadata.config!) as GoldenConfig
    const log = JSON.parse(metadata.log!) as LogEntry[]
    const images = tensors.get('images')!
    const labels = tensors.get('labels')!
    const [steps = 0, batch = 0] = images.shape
    const layer = `layer${config.stage}`
    const classifier = classifierOf(
      {
        name: 'resnet18',
        stem: 'cifar',
        width: config.width,
        weights: null,
        weightsPart: 'whole',
        moe:
          config.stage === null
            ? []
            : [
                {
                  position: config.stage,
                  style: config.residual === false ? 'block' : 'resblock',
                  experts: config.experts,
                  k: config.k,
                  expertWidth: config.expert_width[config.stage] ?? null,
                  gate: config.gate ?? 'gap-fc',
                  gateWidth: tensors.get(`init/${layer}.gate.conv.weight`)?.shape[0] ?? 256,
                  noise: false,
                  weighting: 'softmax-after-top-k',
                  dispatch: 'sparse',
                  constraint: constraintOf(config),
                },
              ],
      },
      { classes: config.classes },
    )
    const step = trainingStep({
      classifier,
      classes: config.classes,
      batch,
      size: images.shape[4]!,
      optimizer: {
        name: 'adam',
        learningRate: config.lr,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weightDecay: 0,
      },
      labelSmoothing: 0,
      clipNorm: null,
    })

    const state = new Map<string, HostTensor>(step.initialState(0))
    const init = tensorsUnder(tensors, 'init/')
    for (const [name, tensor] of init) {
      expect(state.get(name)?.shape, name).toEqual(tensor.shape)
      state.set(name, tensor)
    }
    await engine.setState(state)
    const program = await engine.load(step.program)
    const counter = config.hard === 'relative' ? 'r' : 'a'
    for (let i = 0; i < steps; i++) {
      const feeds = new Map([
        ['images', sliceFirst(images, i)],
        ['labels', sliceFirst(labels, i)],
        ['learningRate', scalar(config.lr)],
      ])
      const { outputs, committed } = await program.step(feeds, { updates: step.updates, guards: step.guards })
      expect(committed).toBe(true)
      const expected = log[i]!
      expectClose(outputs.get('taskLoss')!, [expected.ce], 1e-3, `cross-entropy of step ${i}`)
      expectClose(outputs.get('auxLoss')!, [expected.aux], 1e-3, `auxiliary loss of step ${i}`)
      if (expected.importance !== undefined) {
        expectClose(outputs.get(`${layer}.importance`)!, expected.importance, 2e-3, `importance of step ${i}`)
      }
      if (i === 0) {
        // After one Adam step from zero moments, m = (1 − β₁)·g: the gradients can be read off the state.
        const first = await engine.readState()
        for (const [name, gradient] of tensorsUnder(tensors, 'grad0/')) {
          const moment = first.get(`optimizer.m.${name}`)!
          expectClose(
            moment,
            numbers(gradient).map(g => g * 0.1),
            2e-4,
            `gradient of ${name}`,
          )
        }
      }
      if (config.hard !== undefined) {
        const [value] = (await engine.readState([`${layer}.constraint.${counter}`])).values()
        expectClose(value!, expected.state!, 2e-3, `counters after step ${i}`)
      }
    }
    const final = await engine.readState()
    for (const [name, tensor] of tensorsUnder(tensors, 'final/')) {
      expectClose(final.get(name)!, numbers(tensor), 5e-3, `final ${name}`)
    }

    const evaluation = evaluationProgram({ classifier, size: images.shape[4]! })
    const evaluated = await engine.load(evaluation.program)
    const result = await evaluated.run(
      new Map([
        ['images', sliceFirst(images, 0)],
        ['labels', sliceFirst(labels, 0)],
      ]),
    )
    expectClose(result.get('logits')!, numbers(tensors.get('eval/logits')!), 5e-3, 'logits')
    await program.release()
    await evaluated.release()
  })
})

function sliceFirst({ dtype, shape, data }: HostTensor, index: number): HostTensor {
  const size = sizeOf(shape.slice(1))
  return { dtype, shape: shape.slice(1), data: data.slice(index * size, (index + 1) * size) }
}
