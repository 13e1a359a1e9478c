import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { failingDisk, MemoryDisk, smallDisk } from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { encodeLine, type MetricsLine, metricsPath, openMetricsLog, readMetrics } from './metrics-log.ts'

const run = '/run'
const path = metricsPath(run)
let disk: MemoryDisk
beforeEach(() => {
  disk = new MemoryDisk()
  disk.makeFolder(run)
  disk.flushFolder('/')
})

function put(text: string): void {
  const file = disk.open(path, 'w')
  disk.write(file, new TextEncoder().encode(text))
  disk.flush(file)
  disk.close(file)
}

function content(): string {
  return new TextDecoder().decode(disk.read(path))
}

/** Three steps an epoch, each a line; two lines at the end of each epoch. */
function linesOfTraining(epochs: number): MetricsLine[] {
  const lines: MetricsLine[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let batch = 1; batch <= 3; batch++) {
      lines.push({ kind: 'step', step: epoch * 3 + batch, epoch, loss: 1 / (epoch * 3 + batch) })
    }
    for (const split of ['train', 'test']) lines.push({ kind: 'epoch', step: epoch * 3 + 3, epoch, split })
    lines.push({ kind: 'alarm', step: epoch * 3 + 3, epoch, message: 'layer4 collapsed' })
  }
  return lines
}

function textOf(lines: readonly MetricsLine[]): string {
  return lines.map(line => `${encodeLine(line)}\n`).join('')
}

describe('encodeLine', () => {
  it('writes numbers that JSON cannot say as null, and notes what they were', () => {
    const line = {
      kind: 'epoch',
      step: 3,
      loss: Number.NaN,
      layers: [{ name: 'layer4', importance: [0.5, Number.POSITIVE_INFINITY] }],
      low: Number.NEGATIVE_INFINITY,
    }
    expect(JSON.parse(encodeLine(line))).toEqual({
      kind: 'epoch',
      step: 3,
      loss: null,
      layers: [{ name: 'layer4', importance: [0.5, null] }],
      low: null,
      nonFinite: { loss: 'NaN', 'layers.0.importance.1': 'Infinity', low: '-Infinity' },
    })
  })

  it('writes arrays of floats as lists, in one line', () => {
    const line = { kind: 'step', step: 1, shares: Float32Array.of(0.25, 0.75), note: 'a\nb' }
    expect(encodeLine(line)).toBe('{"kind":"step","step":1,"shares":[0.25,0.75],"note":"a\\nb"}')
  })
})

describe('a metrics log', () => {
  it('is read as it was written', () => {
    const lines = linesOfTraining(2)
    const log = openMetricsLog(run, { disk })
    for (const line of lines) log.write(line)
    expect(readMetrics(path, disk)).toEqual(lines)
    log.close()
    expect(disk.openFiles).toBe(0)
  })

  it('keeps what was flushed through a power cut, its name included', () => {
    const log = openMetricsLog(run, { disk })
    log.write({ kind: 'step', step: 1 })
    log.flush()
    log.write({ kind: 'step', step: 2 })
    disk.cutPower('nothing')
    expect(readMetrics(path, disk)).toEqual([{ kind: 'step', step: 1 }])
  })

  it('begins anew when training does', () => {
    put(textOf(linesOfTraining(1)))
    openMetricsLog(run, { disk }).close()
    expect(content()).toBe('')
  })

  it('is the same after an interruption anywhere, torn line included, as without one', () => {
    const lines = linesOfTraining(3)
    const whole = textOf(lines)
    const lengths = lines.map((_, i) => textOf(lines.slice(0, i)).length)
    for (let resumeStep = 0; resumeStep <= 9; resumeStep++) {
      // At the end of an epoch a checkpoint stands either before or after its evaluation.
      const ends = resumeStep > 0 && resumeStep % 3 === 0 ? [true, false] : [true]
      for (const evaluated of ends) {
        const epoch = evaluated ? Math.floor(resumeStep / 3) : resumeStep / 3 - 1
        const next = lines.findIndex(
          line => line.step > resumeStep || (!evaluated && line.step === resumeStep && line.kind !== 'step'),
        )
        const from = next < 0 ? lines.length : next
        const written = lengths[from] ?? whole.length
        for (let cut = written; cut <= whole.length; cut += 7) {
          put(whole.slice(0, cut))
          const log = openMetricsLog(run, { resume: { step: resumeStep, epoch }, disk })
          expect(content()).toBe(whole.slice(0, written))
          for (const line of lines.slice(from)) log.write(line)
          log.close()
          expect(content()).toBe(whole)
        }
      }
    }
  })

  it('is cut behind the checkpoint whatever a power cut left there', () => {
    const kept = textOf([{ kind: 'step', step: 1 }])
    put(`${kept}\0\0\0\0\n{"kind":"st\n`)
    openMetricsLog(run, { resume: { step: 1, epoch: 0 }, disk }).close()
    expect(content()).toBe(kept)
  })

  it('that is gone begins anew', () => {
    openMetricsLog(run, { resume: { step: 5, epoch: 1 }, disk }).close()
    expect(content()).toBe('')
  })

  it('with a malformed line before the checkpoint is not resumed, and the line is named', () => {
    put(`{"kind":"step","step":1}\n{"kind":"step"\n{"kind":"step","step":3}\n`)
    const open = (): unknown => openMetricsLog(run, { resume: { step: 3, epoch: 0 }, disk })
    expect(open).toThrow(MoietyError)
    expect(open).toThrow(/line 2/)
    expect(disk.openFiles).toBe(0)
  })

  it('keeps whole lines when the disk becomes full in the middle of one', () => {
    const small = smallDisk(disk, 5, 40)
    const log = openMetricsLog(run, { disk: small })
    log.write({ kind: 'step', step: 1 })
    expect(() => log.write({ kind: 'step', step: 2 })).toThrow(/the disk is full \(ENOSPC\)/)
    expect(content()).toBe('{"kind":"step","step":1}\n')
  })

  it('closes its file if it cannot be opened to the end', () => {
    for (let at = 0; at < 4; at++) {
      expect(() => openMetricsLog(run, { disk: failingDisk(disk, at, 'EIO', false) })).toThrow(/\(EIO\)/)
      expect(disk.openFiles).toBe(0)
    }
  })
})

describe('readMetrics', () => {
  it('leaves a torn last line out', () => {
    put('{"kind":"step","step":1}\n{"kind":"step","ste')
    expect(readMetrics(path, disk)).toEqual([{ kind: 'step', step: 1 }])
  })

  it.each([
    '{"kind":"step"',
    '[]',
    'null',
    '{"kind":"step"}',
    '{"step":1}',
    '{"kind":1,"step":1}',
    '\xff',
    '',
  ])('names the malformed line %j by its number', text => {
    put(`{"kind":"step","step":1}\n${text}\n{"kind":"step","step":2}\n`)
    expect(() => readMetrics(path, disk)).toThrow(/metrics\.jsonl: line 2 is not/)
  })

  it('says that there is none', () => {
    expect(() => readMetrics(path, disk)).toThrow(/there is no \/run\/metrics\.jsonl/)
  })

  it('reads any bytes or throws a MoietyError', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat({ max: 20 }), (bytes, place) => {
        const text = new TextEncoder().encode(textOf(linesOfTraining(1)))
        text.set(bytes.subarray(0, text.length - place), place)
        const file = disk.open(path, 'w')
        disk.write(file, text)
        disk.close(file)
        try {
          readMetrics(path, disk)
        } catch (cause) {
          if (!(cause instanceof MoietyError)) throw cause
        }
      }),
    )
  })
})
