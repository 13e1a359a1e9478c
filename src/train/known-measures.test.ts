import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../config/config.ts'
import { classification } from '../tasks/classification/classification-task.ts'
import { detection } from '../tasks/detection/detection-task.ts'
import { refuseUnknownMeasures } from './known-measures.ts'
import { train } from './train.ts'

const trainingOf = (training: object) => resolveConfig({ training }, 'test').training
const stopping = (measure: string) => ({ callbacks: [{ name: 'early-stopping', measure }] })

describe('measures that a training is ranked or ended by', () => {
  it('are those of its task, its own metrics, and of the raw weights where there is an average', () => {
    const accepts = (training: object, kind = classification) =>
      expect(() => refuseUnknownMeasures(trainingOf(training), kind)).not.toThrow()
    accepts({})
    accepts({ best: { measure: 'loss' }, ...stopping('top5') })
    accepts({ callbacks: [{ name: 'early-stopping' }] })
    accepts(stopping('AP'), detection)
    accepts({ best: { measure: 'raw.top1' }, ema: {} })
    accepts({ best: { measure: 'macro-f1' }, metrics: [{ name: 'macro-f1' }], ...stopping('macro-f1') })
  })

  it('are refused where the task does not have them', () => {
    const refusal = (training: object, kind = classification) =>
      expect(() => refuseUnknownMeasures(trainingOf(training), kind))
    refusal({ best: { measure: 'AP' } }).toThrow('expected one of loss, top1, top5, came "AP"')
    refusal({ best: { measure: 'raw.top1' } }).toThrow('came "raw.top1"')
    refusal(stopping('accuracy')).toThrow('expected one of loss, top1, top5, came "accuracy"')
    refusal({ best: { measure: 'ece' } }).toThrow(
      'the metric "ece" is not among the training\'s: it measures loss, top1, top5',
    )
    refusal({ metrics: [{ name: 'ece' }], best: { measure: 'macro-f1' } }).toThrow('loss, top1, top5, ece')
    refusal({ best: { measure: 'ece' } }, detection).toThrow('expected one of loss, AP')
    refusal(stopping('top1'), detection).toThrow('expected one of loss, AP, AP50')
  })

  it('are refused by a training before its data are opened', async () => {
    const data = { name: 'folder', directory: join(tmpdir(), 'moiety-is-not-there') }
    const config = resolveConfig({ data, training: stopping('top2') }, 'test')
    const run = join(tmpdir(), 'moiety-no-run')
    await expect(train({ config, run, recipe: 'test', resume: false })).rejects.toMatchObject({
      kind: 'usage',
      where: 'training.callbacks.0',
      message: expect.stringContaining('came "top2"'),
    })
  })
})
