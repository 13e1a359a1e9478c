import { describe, expect, it } from 'vitest'
import type { LayerStats, TrainEvent } from '../run/events.ts'
import { createProgress } from './progress.ts'

const layer: LayerStats = {
  name: 'layer4',
  importance: [0.25, 0.25, 0.5, 0],
  activation: [0.5, 0.5, 1, 0],
  cvImportance: 0.7,
  cvActivation: 0.7,
  active: 3,
  excluded: [0, 0, 0, 0],
  counters: {},
}

const step = (number: number): Extract<TrainEvent, { kind: 'step' }> => ({
  kind: 'step',
  step: number,
  steps: 1000,
  epoch: 9,
  loss: 2.345,
  measures: { top1: 0.1234 },
  learningRate: 0.1,
  imagesPerSecond: 812.3,
  secondsLeft: 83,
  layers: [layer],
})

const epoch = (split: 'train' | 'test'): Extract<TrainEvent, { kind: 'epoch' }> => ({
  kind: 'epoch',
  epoch: 0,
  epochs: 10,
  split,
  loss: 2,
  taskLoss: 1.9,
  auxLoss: 0.1,
  measures: { top1: 0.4, top5: 0.8 },
  seconds: 20,
  layers: [layer],
})

/** Everything that a progress writes for these events, with a clock that advances a second with every look. */
function shown(screen: { isTTY: boolean; columns?: number }, events: readonly TrainEvent[]): string {
  let text = ''
  let time = 0
  const write = (part: string) => {
    text += part
  }
  const progress = createProgress({ ...screen, hasColors: () => false, write }, 10, () => time++)
  for (const event of events) progress.show(event)
  progress.end()
  return text
}

describe('the progress of a training', () => {
  it('is one line that is redrawn on a terminal: rate, time left, loss, accuracy, experts', () => {
    const text = shown({ isTTY: true, columns: 80 }, [step(990), step(1000)])
    const lines = text.split('\r\u001b[K')
    expect(lines[1]).toBe('epoch 10/10 ██████ 100 %  812 img/s  1:23 left  loss 2.35  top-1 12.3 %  ▄▄█▁')
    expect(lines).toHaveLength(3)
    expect(text).not.toContain('\n')
  })

  it('never is wider than the terminal', () => {
    for (const line of shown({ isTTY: true, columns: 40 }, [step(1)]).split('\r\u001b[K'))
      expect([...line].length).toBeLessThan(40)
    expect(shown({ isTTY: true, columns: 0 }, [step(1)])).toContain('top-1')
  })

  it('is a plain line now and then where there is no terminal', () => {
    const steps = Array.from({ length: 100 }, (_, i) => step(i))
    const lines = shown({ isTTY: false }, steps).trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    expect(lines.length).toBeLessThan(12)
    expect(lines.join('')).not.toContain('\u001b')
  })

  it('has a line for each epoch', () => {
    expect(shown({ isTTY: false }, [epoch('train'), epoch('test')])).toBe(
      'epoch  1/10   train loss 2.000  40.0 %   test loss 2.000  40.0 %   40 s   ▄▄█▁\n',
    )
  })

  it('has a line for an epoch after which nothing was tested', () => {
    const later = { ...epoch('train'), epoch: 1 }
    expect(shown({ isTTY: false }, [epoch('train'), later, { ...epoch('test'), epoch: 1 }])).toBe(
      'epoch  1/10   train loss 2.000  40.0 %   20 s   ▄▄█▁\n' +
        'epoch  2/10   train loss 2.000  40.0 %   test loss 2.000  40.0 %   40 s   ▄▄█▁\n',
    )
  })

  it("says of a detector the parts of its loss and COCO's precision", () => {
    const measures = { classificationLoss: 0.4, regressionLoss: 1.25 }
    const lines = shown({ isTTY: false }, [
      { ...step(990), measures },
      { ...epoch('train'), measures },
      { ...epoch('test'), measures: { AP: 0.1234, AP50: null } },
    ])
    expect(lines).toContain('loss 2.35  class 0.40 box 1.25')
    expect(lines).toContain('train loss 2.000   test loss 2.000  AP 0.123  AP50 –   40 s')
  })

  it('warns of collapsing experts and of images left out, without obeying their names', () => {
    const files = Array.from({ length: 7 }, (_, i) => ({ path: `a\u001b[2J${i}.png`, reason: 'not a PNG' }))
    const text = shown({ isTTY: false }, [
      { kind: 'alarm', layer: 'layer4', starved: [3], message: 'expert 3 is dead' },
      { kind: 'skipped', files },
    ])
    expect(text).toContain('warning: layer4: expert 3 is dead\n')
    expect(text).toContain('7 images that could not be read are left out')
    expect(text).toContain('and 2 more')
    expect(text).not.toContain('\u001b')
  })
})

describe('the progress of a slow stage', () => {
  it('says how long the rest takes at the same speed, after a few seconds', () => {
    let time = 0
    let text = ''
    const write = (part: string) => {
      text += part
    }
    const progress = createProgress({ isTTY: true, hasColors: () => false, write }, 0, () => time)
    const show = (done: number) =>
      progress.show({ kind: 'progress', what: 'checking images', done, total: 100 })
    show(1)
    expect(text).not.toContain('left')
    time = 10
    show(20)
    expect(text).toContain('20 of 100, 40 s left')
  })
})
