import type { HostTensor } from '../base/tensor.ts'
import type { EpochReport, StepReport } from '../config/callback.ts'
import type { SplitName } from '../data/index.ts'
import type { LayerStats, TrainEvent } from '../run/events.ts'
import type { Evaluated, Task } from '../tasks/task.ts'
import { collapses } from './collapse.ts'
import { epochMeans } from './epoch-sums.ts'
import { exampleImages } from './example-images.ts'
import { describedExamples } from './examples-of-experts.ts'
import type { EpochResult, Journal } from './journal.ts'
import type { Position } from './starting-point.ts'
import type { StepFacts } from './step.ts'
import { stepLayers } from './step-layers.ts'

/** Writes what a training observes to its journal, and reports it as events with the time that is left. */
export class Reporter {
  /** The last evaluation; those to come are assumed to take as long. */
  #evaluationSeconds = 0
  readonly #steps: number

  constructor(
    readonly task: Task,
    readonly journal: Journal,
    readonly onEvent: (event: TrainEvent) => void,
  ) {
    this.#steps = task.stepsPerEpoch * task.config.training.epochs
  }

  /**
   * @param position - after the step
   * @param outputs - of the step
   * @param secondsAStep - mean over the steps of the epoch
   */
  step(
    position: Position,
    { layers, measures }: Pick<StepFacts, 'layers' | 'measures'>,
    {
      outputs,
      images,
      rate,
      secondsAStep,
    }: {
      readonly outputs: ReadonlyMap<string, HostTensor>
      readonly images: number
      readonly rate: number
      readonly secondsAStep: number
    },
  ): StepReport {
    const { task, journal, onEvent } = this
    const { step, epoch, sums } = position
    const value = (name: string): number => Number(outputs.get(name)!.data[0])
    journal.step({
      line: {
        step,
        epoch,
        loss: value('loss'),
        taskLoss: value('taskLoss'),
        auxLoss: value('auxLoss'),
        gradientNorm: value('gradientNorm'),
        weightNorm: value('weightNorm'),
        learningRate: rate,
        ...task.trainMeasures(Object.fromEntries(measures.map(name => [name, value(name) / images]))),
        layers: stepLayers(layers, outputs),
      },
      shares: layers.map(({ name }) => {
        const weights = Array.from(outputs.get(`${name}.importance`)!.data, Number)
        const total = weights.reduce((a, b) => a + b, 0)
        return { name, values: weights.map(weight => (total === 0 ? 0 : weight / total)) }
      }),
    })
    const means = epochMeans(sums)
    onEvent({
      kind: 'step',
      step,
      steps: this.#steps,
      epoch,
      loss: value('loss'),
      measures: task.trainMeasures(means.measures),
      learningRate: rate,
      imagesPerSecond: task.config.training.batch / secondsAStep,
      secondsLeft: this.#secondsLeft(position, secondsAStep),
      layers: means.layers,
    })
    return { step, epoch, loss: value('loss'), learningRate: rate }
  }

  /** The end of an epoch's steps. */
  trained(position: Position): EpochReport {
    const { measures, ...means } = epochMeans(position.sums)
    const result = { ...means, measures: this.task.trainMeasures(measures) }
    return this.#epoch(position, 'train', result, position.sums.seconds)
  }

  async tested(
    position: Position,
    split: SplitName,
    { loss, measures, layers, routing, items }: Evaluated,
    seconds: number,
  ): Promise<EpochReport> {
    this.#evaluationSeconds = seconds
    const pictures = await exampleImages(this.task, split, routing)
    this.journal.routing(position.step, split, routing, pictures)
    if (routing.length > 0)
      this.journal.examples(position, split, describedExamples(routing, items, this.task.data.classes))
    return this.#epoch(position, split, { loss, taskLoss: loss, auxLoss: 0, measures, layers }, seconds)
  }

  /** @param layers - of the test, or of the epoch's training where it was not tested */
  alarm({ epoch, step }: Position, layers: readonly LayerStats[]): void {
    for (const alarm of collapses(layers, this.task.config.training.collapse)) {
      this.journal.alarm({ epoch, step }, alarm)
      this.onEvent({ kind: 'alarm', ...alarm })
    }
  }

  #epoch({ epoch, step }: Position, split: SplitName, result: EpochResult, seconds: number): EpochReport {
    const { epochs } = this.task.config.training
    this.journal.epoch({ epoch, step, seconds }, split, result)
    this.onEvent({ kind: 'epoch', epoch, epochs, split, ...result, seconds })
    const { loss, measures, layers } = result
    return { epoch, epochs, split, loss, measures, layers }
  }

  /** Steps of later epochs count as much as they compute. */
  #secondsLeft({ step, epoch }: Position, secondsAStep: number): number {
    const { config, stepsPerEpoch } = this.task
    const { epochs, evaluateEvery } = config.training
    let laterWork = 0
    for (let later = epoch + 1; later < epochs; later++) laterWork += this.task.work(later)
    const laterSteps = (stepsPerEpoch * laterWork) / this.task.work(epoch)
    const evaluations = Math.ceil((epochs - epoch) / evaluateEvery)
    return (
      secondsAStep * ((epoch + 1) * stepsPerEpoch - step + laterSteps) + this.#evaluationSeconds * evaluations
    )
  }
}
