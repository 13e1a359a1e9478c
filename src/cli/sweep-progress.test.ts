import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../config/config.ts'
import type { PlannedRun } from '../sweep/plan-sweep.ts'
import { createSweepProgress } from './sweep-progress.ts'

const config = resolveConfig({ training: { epochs: 10 } }, 'test')
const runs = ['a', 'b', 'c', 'd'].map(
  (name): PlannedRun => ({ name: `lr-${name}`, hash: '', seed: 1, values: {}, config }),
)
const [a, b, c] = runs as [PlannedRun, PlannedRun, PlannedRun, PlannedRun]

/** A screen that keeps what was written; on a terminal what is redrawn is taken away again. */
function screen(isTTY: boolean): {
  lines(): string[]
  write(text: string): void
  isTTY: boolean
  columns: number
} {
  let text = ''
  return {
    isTTY,
    columns: 80,
    write(more) {
      const begin = '\r\u001b['
      if (!more.startsWith(begin)) text += more
      else
        text = text
          .split('\n')
          .slice(0, -1 - Number.parseInt(more.slice(begin.length), 10))
          .map(line => `${line}\n`)
          .join('')
    },
    lines: () => text.split('\n').slice(0, -1),
  }
}

function tell(isTTY: boolean) {
  const shown = screen(isTTY)
  let seconds = 0
  const start = { runs, done: new Map(), jobs: 2, secondsPerEpoch: 60 }
  const progress = createSweepProgress(shown, start, () => seconds++)
  progress.show({ kind: 'started', run: a, isResumed: false })
  progress.show({ kind: 'started', run: b, isResumed: true })
  progress.show({
    kind: 'progress',
    run: a,
    progress: {
      step: 25,
      steps: 100,
      score: { ...topOne, value: 0.5 },
      imagesPerSecond: 10,
      secondsLeft: 450,
    },
  })
  return { shown, progress }
}

const topOne = { name: 'top1', title: 'top-1 accuracy', label: 'top-1' }

describe('the table of a running sweep', () => {
  it('is redrawn on a terminal: running, done, time left, a line for each run', () => {
    const { shown, progress } = tell(true)
    expect(shown.lines()).toEqual([
      'started  lr-a',
      'resumed  lr-b',
      // 450 s, one run of 600 s that has told nothing yet, and two of 600 s that wait; two at once.
      '2 running   0 of 4 done   about 18 min 45 s left',
      '  ██▌         25 %  50.0 %     7:30  lr-a',
      '                 –       –        –  lr-b',
    ])
    progress.show({ kind: 'done', run: a, score: { ...topOne, value: 0.625 }, seconds: 500 })
    progress.show({ kind: 'failed', run: b, message: 'the disk is full', isTriedAgain: true })
    progress.show({ kind: 'failed', run: c, message: 'diverged', isTriedAgain: false })
    expect(shown.lines().slice(2)).toEqual([
      'done     lr-a  62.5 % top-1 in 8 min 20 s   1 of 4 done   about 12 min 30 s left   reached 62.5 %',
      'failed   lr-b: the disk is full; it comes again after the others',
      'failed   lr-c: diverged',
      '0 running   1 of 4 done   1 failed   reached 62.5 %',
    ])
    progress.end()
    expect(shown.lines()).toHaveLength(5)
  })

  it('is left out where there is no terminal: a line for what starts and ends', () => {
    const { shown, progress } = tell(false)
    progress.show({ kind: 'stopped', run: a })
    progress.end()
    expect(shown.lines()).toEqual(['started  lr-a', 'resumed  lr-b', 'stopped  lr-a'])
  })
})
