import { describe, expect, it } from 'vitest'
import { definition } from './early-stopping.ts'

/** The test, counted from 0, after which losses or values of a measure ended the training; undefined: none did. */
function endedAfter(options: object, values: readonly (number | null)[], begin = definition.create(options)) {
  let reason: string | undefined
  const control = {
    stop: (why: string) => {
      reason ??= why
    },
    state: () => Promise.reject(new Error('not asked for')),
  }
  for (const [epoch, value] of values.entries()) {
    const report = { epoch, epochs: 99, layers: [] }
    const loss = value ?? 0
    // What is measured on training images counts for nothing.
    void begin.onEpoch!({ ...report, split: 'train', loss: -99, measures: { top1: 99 } }, control)
    void begin.onEpoch!(
      { ...report, split: 'val', loss, measures: { top1: value, ece: value, AP: 0.5 } },
      control,
    )
    if (reason !== undefined) return { epoch, reason }
  }
  return undefined
}

describe('early-stopping', () => {
  it('ends after so many tests in a row that are no better than the best before', () => {
    // 3 is best; 4 and 3.5 are worse, 2 better; 2 again is no better, 5 neither, 2.5 neither.
    const losses = [5, 3, 4, 3.5, 2, 2, 5, 2.5, 1]
    expect(endedAfter({ patience: 3 }, losses)).toEqual({
      epoch: 7,
      reason: 'loss has not improved in 3 tests',
    })
    expect(endedAfter({ patience: 2 }, losses)!.epoch).toBe(3)
    expect(endedAfter({ patience: 1 }, losses)!.epoch).toBe(2)
    expect(endedAfter({ patience: 4 }, losses)).toBeUndefined()
  })

  it('takes what is larger for better of a measure, and only beyond the margin', () => {
    const accuracies = [0.5, 0.55, 0.6, 0.65, 0.7]
    expect(endedAfter({ measure: 'top1', patience: 1 }, accuracies)).toBeUndefined()
    // 0.55 and 0.6 are not above 0.5 + 0.125, and 0.65 is.
    const options = { measure: 'top1', margin: 0.125 }
    expect(endedAfter({ ...options, patience: 2 }, accuracies)!.epoch).toBe(2)
    expect(endedAfter({ ...options, patience: 3 }, accuracies)).toBeUndefined()
  })

  it('takes what is smaller for better where the metric or the configuration says so', () => {
    const falling = [0.3, 0.2, 0.1, 0.15]
    expect(endedAfter({ measure: 'ece', patience: 1 }, falling)!.epoch).toBe(3)
    expect(endedAfter({ measure: 'top1', patience: 1, mode: 'min' }, falling)!.epoch).toBe(3)
    expect(endedAfter({ measure: 'ece', patience: 1, mode: 'max' }, falling)!.epoch).toBe(1)
  })

  it('takes a test without the number for no better, also the first', () => {
    expect(endedAfter({ measure: 'top1', patience: 2 }, [null, null])!.epoch).toBe(1)
    expect(endedAfter({ measure: 'top1', patience: 2 }, [null, 0.1, null, 0.2])).toBeUndefined()
  })

  it('continues from what it had saved', () => {
    const first = definition.create({ patience: 3 })
    expect(endedAfter({}, [2, 3, 3], first)).toBeUndefined()
    const saved = first.save!()
    expect(saved).toEqual({ best: -2, worse: 2 })
    const second = definition.create({ patience: 3 })
    second.restore!(JSON.parse(JSON.stringify(saved)))
    expect(endedAfter({}, [2.5], second)!.epoch).toBe(0)
  })

  it('refuses a measure that the task has not, with those that it has', () => {
    expect(() => endedAfter({ measure: 'top2' }, [0.5])).toThrow(
      'early-stopping expected one of loss, top1, ece, AP, but its measure is top2',
    )
  })
})
