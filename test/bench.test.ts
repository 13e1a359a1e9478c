import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compared, describeComparison, type Result } from '../bench/compare-sides.ts'
import { describeEnvironment, environmentOf } from '../bench/machine.ts'
import { describeProfile, layerOf, readProfile } from '../bench/profile.ts'
import { median, ratio, timing } from '../bench/statistics.ts'

/** The bench's arithmetic and words; what it times is timed by hand. */
describe('statistics', () => {
  it('are medians of whatever number of turns, their spread and their quotient', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(timing([3, 1, 2])).toMatchObject({ median: 2, best: 1, spread: 1 })
    // Not the median of the quotients of the turns, which is 1 here.
    expect(ratio(timing([1, 2, 4]), timing([1, 8, 3]))).toBe(1.5)
  })
})

describe('a comparison', () => {
  const side = (seconds: number, peakBytes = 1e9) => ({ timing: timing([seconds]), peakBytes })
  const dense = { name: 'dense', title: 'ResNet-18', batch: 128 }
  const whole = (result: ReturnType<typeof compared>): Result => ({
    ...result,
    parameters: 1,
    loadAverage: [0, 1],
    torch: '2',
  })

  it("is with PyTorch's faster memory format, whichever that is", () => {
    expect(compared(dense, side(2), [side(4), side(3)])).toMatchObject({
      ours: 2,
      peer: 3,
      ratio: 1.5,
      peerFormat: 'channels_last',
      sides: { default: { ratio: 2 }, channels_last: { ratio: 1.5 } },
    })
    expect(compared(dense, side(2), [side(1), side(3)])).toMatchObject({ ratio: 0.5, peerFormat: 'default' })
    expect(compared(dense, side(2), [])).toMatchObject({ ours: 2, peer: null, ratio: null, peerFormat: null })
  })

  it('says what ten experts cost beside four', () => {
    const timed = (name: string, seconds: number) =>
      whole(compared({ ...dense, name }, side(seconds, 2.345e9), [side(3), side(4, 5e9)]))
    const text = describeComparison([timed('resblock-e4-p4', 2), timed('resblock-e10-p4', 2.5)])
    expect(text).toContain('Ten experts cost 1.25 times what four do')
    expect(text).toContain('2.35 / 1.00 / 5.00')
    expect(describeComparison([timed('resblock-e4-p4', 2)])).not.toContain('Ten experts')
  })

  it('reports the allocator’s settings', () => {
    process.env.MALLOC_TOP_PAD_ = '7'
    const environment = environmentOf({ threads: 2, replicas: 3 })
    delete process.env.MALLOC_TOP_PAD_
    expect(environment.allocator).toEqual({ MALLOC_TOP_PAD_: '7' })
    const text = describeEnvironment({ ...environment, torch: null })
    expect(text).toContain('our batch in 3 parts')
    expect(text).toContain('MALLOC_TOP_PAD_=7')
  })
})

describe('a profile', () => {
  it.each([
    ['layer1.0.conv1/conv2d#15 Conv 27', 'layer1.0.conv1', false],
    ['gradient of layer1.0.bn1/batchNorm/channelAffine#10', 'layer1.0.bn1', true],
    ['layer4.experts.12.1.conv2/conv2d#3', 'layer4.experts.*.1.conv2', false],
    ['relu#14', 'relu', false],
    ['gradient norm/sumOfSquares#3', 'gradient norm', false],
    ['ReorderInput_token_7', 'reordering by the engine', false],
  ])('finds the layer of %s', (node, name, isBackward) => {
    expect(layerOf(node)).toEqual({ name, isBackward })
  })

  it('leaves out the warm-up, and divides by the steps', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'moiety-profile-'))
    const run = (ts: number) => ({ cat: 'Session', name: 'model_run', ts, dur: 9000 })
    const node = (name: string, op_name: string, ts: number, dur: number) => ({
      cat: 'Node',
      name: `${name}_kernel_time`,
      ts,
      dur,
      args: { op_name },
    })
    const events = [
      ...[run(0), node('conv/conv2d#1', 'Conv', 1, 5000)],
      ...[
        run(10_000),
        node('conv/conv2d#1', 'Conv', 10_001, 1000),
        node('optimizer/mul#3', 'Mul', 10_002, 400),
      ],
      ...[run(20_000), node('conv/conv2d#1', 'Conv', 20_001, 3000)],
      node('gradient of conv/conv2d#2', 'Conv', 20_002, 2000),
      node('layer10.conv1/conv2d#4', 'Conv', 20_003, 20),
      node('layer2.conv1/conv2d#5', 'Conv', 20_004, 40),
    ]
    writeFileSync(join(folder, 'step_2026.json'), JSON.stringify(events))
    const profile = await readProfile(join(folder, 'step'), 1)
    expect(profile).toMatchObject({
      steps: 2,
      milliseconds: 9,
      operations: [
        { name: 'Conv', milliseconds: 3.03, count: 2.5 },
        { name: 'Mul', milliseconds: 0.2, count: 0.5 },
      ],
      layers: [
        { name: 'conv', forward: 2, backward: 1 },
        { name: 'layer2.conv1', forward: 0.02, backward: 0 },
        { name: 'layer10.conv1', forward: 0.01, backward: 0 },
        { name: 'optimizer', forward: 0.2, backward: 0 },
      ],
    })
    expect(describeProfile(profile)).toMatch(/conv +│ +2\.0 │ +1\.0 │ 33\.3/)
    expect(describeProfile(profile)).not.toMatch(/layer10\.conv1 +│/)
    await expect(readProfile(join(folder, 'other'), 1)).rejects.toThrow('no profile that begins with')
  })
})
