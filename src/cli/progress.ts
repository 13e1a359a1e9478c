import { terminal } from '../base/escaping.ts'
import { type MeasureDefinition, measureText } from '../metrics/measure.ts'
import type { LayerStats, Measures, TrainEvent } from '../run/events.ts'
import { taskMeasures } from '../tasks/task-measures.ts'
import {
  bar,
  clean,
  clock,
  columns,
  count,
  duration,
  type Paint,
  painter,
  type Screen,
  smallBars,
  truncate,
  wrap,
} from './screen.ts'

/**
 * The story of a training on stderr. On a terminal the last line lives: it is redrawn with every event. Elsewhere
 * (a file, a CI log) the same is reported in plain lines, steps at most every 15 seconds.
 */
export interface Progress {
  show(event: TrainEvent): void
  /** A line of its own, between the others. */
  say(text: string): void
  /** Removes the live line. */
  end(): void
}

const secondsBetweenPlainLines = 15
const skippedShown = 5

type Step = Extract<TrainEvent, { kind: 'step' }>
type Epoch = Extract<TrainEvent, { kind: 'epoch' }>

/**
 * @param epochs - how many the training has
 * @param now - the time in seconds, for the spacing of plain lines
 */
export function createProgress(
  screen: Screen,
  epochs = 0,
  now: () => number = () => performance.now() / 1000,
): Progress {
  const paint = painter(screen)
  const live = screen.isTTY === true && process.env.TERM !== 'dumb'
  let drawn = false
  let lastPlain = Number.NEGATIVE_INFINITY
  let training: Epoch | undefined
  let stage = ''
  let stageBegan = 0

  const clear = () => {
    if (drawn) screen.write('\r\u001b[K')
    drawn = false
  }
  const say = (text: string) => {
    clear()
    screen.write(`${terminal(text)}\n`)
  }
  const draw = (line: string, important = false) => {
    if (live) {
      clear()
      // A pseudo-terminal that nobody has sized says 0 columns.
      screen.write(truncate(terminal(line), (screen.columns || columns) - 1))
      drawn = true
    } else if (important || now() - lastPlain >= secondsBetweenPlainLines) {
      lastPlain = now()
      say(line)
    }
  }

  const show = (event: TrainEvent) => {
    switch (event.kind) {
      case 'start':
        return say(startLine(event))
      case 'step':
        return draw(stepLine(event, epochs))
      case 'epoch':
        if (event.split === 'train') {
          if (training !== undefined) say(trainedLine(training))
          training = event
        } else {
          say(epochLine(event, training, paint))
          training = undefined
        }
        return
      case 'checkpoint':
        return
      case 'preparing':
        return event.isDone ? undefined : draw('making the programs of the next steps', true)
      case 'alarm':
        return say(paint.warn(`warning: ${clean(event.layer)}: ${clean(event.message)}`))
      case 'warning':
        return say(paint.warn(`warning: ${clean(event.message)}`))
      case 'note':
        return say(`note: ${clean(event.message)}`)
      case 'skipped':
        return event.files.length > 0 ? say(paint.warn(skippedLines(event.files))) : undefined
      case 'progress': {
        const first = stage !== event.what
        stage = event.what
        if (first) stageBegan = now()
        return draw(
          `${clean(event.what)} ${bar(event.done / event.total, 20)} ${event.done} of ${event.total}${timeLeft(event, now() - stageBegan)}`,
          first,
        )
      }
    }
  }
  return { show, say, end: clear }
}

/** Of a stage that has taken a while, how long the rest takes at the same speed. */
function timeLeft(
  { done, total }: { readonly done: number; readonly total: number },
  seconds: number,
): string {
  if (seconds < 3 || done === 0 || done >= total) return ''
  return `, ${duration((seconds * (total - done)) / done)} left`
}

function startLine({
  data,
  parameters,
  activeParameters,
  steps,
  resumedFrom,
}: Extract<TrainEvent, { kind: 'start' }>): string {
  const active =
    activeParameters === parameters ? '' : `, ${count(activeParameters)} of them active for an image`
  const from = resumedFrom === null ? '' : `, resumed after step ${resumedFrom}`
  return wrap(
    `${clean(data)}; ${count(parameters)} parameters${active}; ${steps} step${steps === 1 ? '' : 's'}${from}`,
  )
}

/** Two digits at least, also of what takes seconds an image. */
function rate(perSecond: number): string {
  if (perSecond >= 9.95) return String(Math.round(perSecond))
  return perSecond.toFixed(perSecond >= 0.95 ? 1 : 2)
}

/** Rate, time left, loss, accuracy and a small bar for each expert, within 79 columns for a layer of 4. */
function stepLine(event: Step, epochs: number): string {
  const part = event.steps === 0 ? 1 : event.step / event.steps
  return [
    `epoch ${event.epoch + 1}/${epochs} ${bar(part, 6)} ${Math.floor(100 * part)} %`,
    `${rate(event.imagesPerSecond)} img/s`,
    `${clock(event.secondsLeft)} left`,
    `loss ${lossText(event.loss, 2)}`,
    measured(event.measures),
    layerBars(event.layers),
  ]
    .filter(Boolean)
    .join('  ')
}

/** An epoch after which nothing was tested. */
function trainedLine(trained: Epoch): string {
  return [
    epochName(trained),
    `train loss ${result(trained)}`,
    duration(trained.seconds),
    layerBars(trained.layers),
  ]
    .filter(Boolean)
    .join('   ')
}

const epochName = ({ epoch, epochs }: Epoch) =>
  `epoch ${String(epoch + 1).padStart(String(epochs).length)}/${epochs}`

function epochLine(test: Epoch, training: Epoch | undefined, paint: Paint): string {
  const trained = training?.epoch === test.epoch ? training : undefined
  return [
    epochName(test),
    ...(trained === undefined ? [] : [paint.dim(`train loss ${result(trained)}`)]),
    `${test.split} loss ${paint.bold(result(test))}`,
    duration((trained?.seconds ?? 0) + test.seconds),
    layerBars(test.layers),
  ]
    .filter(Boolean)
    .join('   ')
}

function result({ loss, measures }: Epoch): string {
  const shown = shownMeasures(measures).map(one => {
    const value = measureText(one, measures[one.name])
    return one.format === 'percent' ? value.padStart(7) : ` ${one.label} ${value}`
  })
  return [lossText(loss, 3), ...shown].join(' ')
}

/** What a step line says besides the loss: a task's measures, or the parts of a detector's loss. */
function measured(measures: Measures): string {
  const shown = shownMeasures(measures).map(one => `${one.label} ${measureText(one, measures[one.name])}`)
  if (shown.length > 0) return shown.join(' ')
  const { classificationLoss, regressionLoss } = measures
  if (typeof classificationLoss !== 'number' || typeof regressionLoss !== 'number') return ''
  return `class ${lossText(classificationLoss, 2)} box ${lossText(regressionLoss, 2)}`
}

/** Those that a line has room for: a percentage, which needs no name, or two fractions. */
function shownMeasures(measures: Measures): readonly MeasureDefinition[] {
  const known = taskMeasures.filter(({ name }) => name in measures)
  return known.slice(0, known[0]?.format === 'percent' ? 1 : 2)
}

/** A diverged loss is shown by its magnitude, not by all its digits. */
const lossText = (loss: number, digits: number) =>
  Math.abs(loss) < 1e5 ? loss.toFixed(digits) : loss.toExponential(1)

const layerBars = (layers: readonly LayerStats[]) =>
  layers.map(layer => smallBars(layer.importance)).join(' ')

function skippedLines(files: readonly { path: string; reason: string }[]): string {
  const lines = files.slice(0, skippedShown).map(file => `\n  ${clean(file.path)}: ${clean(file.reason)}`)
  const more = files.length > skippedShown ? `\n  and ${files.length - skippedShown} more` : ''
  const images =
    files.length === 1
      ? '1 image that could not be read is'
      : `${files.length} images that could not be read are`
  return `warning: ${images} left out:${lines.join('')}${more}`
}
