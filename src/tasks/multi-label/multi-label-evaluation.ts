import type { NamedOptions } from '../../base/component.ts'
import type { HostTensor } from '../../base/tensor.ts'
import { imageBatch, type MultiLabelDataset, type SplitName, splitNamed } from '../../data/index.ts'
import type { Engine, LoadedProgram } from '../../runtime/index.ts'
import { floatsOf } from '../../runtime/outputs.ts'
import { ownMeasures } from '../own-metrics.ts'
import { LoadedPrograms, runSplit } from '../run-split.ts'
import type { Evaluated, Evaluation, TestOptions } from '../task.ts'
import { labelTables, summarizeLabels } from './label-answers.ts'
import type { MultiLabelProgram } from './multi-label-program.ts'
import {
  classResults,
  classTable,
  itemsOf,
  type MultiLabelResult,
  multiLabelMeasuresOf,
  thresholdsOn,
} from './multi-label-result.ts'

/** A split of a data set, to be run through a network. */
export interface MultiLabelRun {
  readonly data: MultiLabelDataset
  /** Images at a time. */
  readonly batch: number
  readonly program: Pick<MultiLabelProgram, 'layers'>
  /** The program in each engine that may compute. */
  readonly loaded: readonly LoadedProgram[]
}

/** What was computed for a split. */
export interface ProbabilitiesOfSplit extends Pick<Evaluated, 'images' | 'loss' | 'layers' | 'routing'> {
  /** Of the network, then of each variant of the program: [images · classes], from 0 to 1. */
  readonly probabilities: readonly Float64Array[]
}

/** The probabilities of every class for every image of a split. Undefined if `signal` came first. @throws as `runSplit` */
export async function runMultiLabel(
  { data, batch, program, loaded }: MultiLabelRun,
  name: SplitName,
  options: TestOptions = {},
): Promise<ProbabilitiesOfSplit | undefined> {
  const split = splitNamed(data, name)
  const { mean, std } = data
  const classes = data.classes.length
  const probabilities: Float64Array[] = []
  const result = await runSplit({
    ...options,
    images: split.length,
    batch,
    loaded,
    layers: program.layers,
    feeds: async indices =>
      new Map([
        ['images', await imageBatch(split, indices, { mean, std, seed: 0, epoch: 0 })],
        ['targets', targetsOf(split, indices, classes)],
      ]),
    add: (indices, outputs) => {
      const logits = floatsOf(outputs, 'logits')
      const networks = logits.length / (indices.length * classes)
      for (let network = 0; network < networks; network++) {
        probabilities[network] ??= new Float64Array(split.length * classes)
        const own = probabilities[network]!
        for (const [row, image] of indices.entries())
          for (let label = 0; label < classes; label++) {
            const logit = logits[(row * networks + network) * classes + label]!
            own[image * classes + label] = 1 / (1 + Math.exp(-logit))
          }
      }
    },
  })
  return result && { ...result, probabilities }
}

/** What a program is fed as `targets` of some images: int64 [N, classes]. */
export function targetsOf(
  { targets }: { readonly targets: Uint8Array },
  indices: Uint32Array,
  classes: number,
): HostTensor {
  const data = new BigInt64Array(indices.length * classes)
  for (const [row, index] of indices.entries())
    for (let label = 0; label < classes; label++)
      data[row * classes + label] = BigInt(targets[index * classes + label]!)
  return { dtype: 'int64', shape: [indices.length, classes], data }
}

/**
 * A multi-label network in engines. The thresholds of classes are chosen on `val`, which is evaluated as well where another split
 * is asked for; on the split itself where the data has no `val`.
 */
export class MultiLabelEvaluation implements Evaluation<MultiLabelResult> {
  readonly #programs: LoadedPrograms

  constructor(
    readonly data: MultiLabelDataset,
    readonly batch: number,
    engines: readonly Engine[],
    readonly program: MultiLabelProgram,
    /** What is measured besides, of the user's own. */
    readonly metrics: readonly NamedOptions[] = [],
  ) {
    this.#programs = new LoadedPrograms(engines, program.program)
  }

  async prepare(): Promise<void> {
    await this.#programs.load()
  }

  async run(
    split: SplitName,
    { signal, onProgress }: TestOptions = {},
  ): Promise<MultiLabelResult | undefined> {
    const { data, batch, program } = this
    const { length, targets } = splitNamed(data, split)
    const thresholdsFrom = (data.val?.length ?? 0) > 0 ? 'val' : split
    const more = thresholdsFrom === split ? 0 : splitNamed(data, thresholdsFrom).length
    const run = { data, batch, program, loaded: await this.#programs.load() }
    const report = (before: number) => (done: number) => onProgress?.(before + done, length + more)
    const result = await runMultiLabel(run, split, { signal, onProgress: report(0) })
    if (result === undefined) return undefined
    const chosenOn =
      more === 0 ? result : await runMultiLabel(run, thresholdsFrom, { signal, onProgress: report(length) })
    if (chosenOn === undefined) return undefined
    const names = data.classes
    const scored = { length, targets, probabilities: result.probabilities[0]! }
    const thresholds = thresholdsOn(
      { ...splitNamed(data, thresholdsFrom), probabilities: chosenOn.probabilities[0]! },
      names.length,
    )
    const classes = classResults(scored, names, thresholds)
    const { images, loss, layers, routing } = result
    const answers = summarizeLabels(scored, thresholds, routing)
    return {
      images,
      loss,
      layers,
      routing,
      measures: {
        ...multiLabelMeasuresOf(scored, names.length),
        ...ownMeasures<'multi-label'>(this.metrics, { ...scored, classes: names }),
      },
      items: itemsOf(targets, names.length),
      details: { thresholdsFrom, classes, ...answers },
      tables: [classTable(classes, thresholdsFrom, split), ...labelTables(answers, names)],
      targets,
      probabilities: scored.probabilities,
      classes,
      thresholdsFrom,
      answers,
    }
  }

  async release(): Promise<void> {
    await this.#programs.release()
  }
}
