import { createHash } from 'node:crypto'
import { fail } from '../../base/errors.ts'
import { draws } from '../../base/random.ts'
import type { HostTensor } from '../../base/tensor.ts'
import type { Config } from '../../config/config.ts'
import { taskOfData } from '../../data/datasets/registry.ts'
import {
  heldOutSplit,
  imageBatch,
  type MultiLabelDataset,
  type MultiLabelSplit,
  openMultiLabel,
  type SplitName,
  splitNamed,
} from '../../data/index.ts'
import { needDirectory } from '../../data/missing-directory.ts'
import { drawMixing, isMixed, mixImages, mixLabels } from '../../data/mixing.ts'
import { openOwn } from '../../data/own-data.ts'
import { precisionRecall } from '../../metrics/label-thresholds.ts'
import { namedLoss } from '../../models/loss.ts'
import type { Engine } from '../../runtime/index.ts'
import { countsText, positiveWeights } from '../class-weights.ts'
import { classifierOf, mixturesOf, networkText } from '../classifier-of.ts'
import { identity, splitsOf } from '../data-identity.ts'
import type { BuildObjective } from '../objective.ts'
import { SquareImageTask } from '../square-image-task.ts'
import type {
  EvaluatedVariants,
  Evaluation,
  NetworkFacts,
  OpenTaskOptions,
  Task,
  TaskBatch,
  TaskKind,
  VariantOptions,
  VariantResult,
} from '../task.ts'
import { byVariantGroup } from '../variant-groups.ts'
import { type Mixture, overridesOf, type RoutingOverrides, type Variant, variantsOf } from '../variants.ts'
import { foundAt } from './found-labels.ts'
import { multiLabelMeasures } from './measures.ts'
import { MultiLabelEvaluation, runMultiLabel, targetsOf } from './multi-label-evaluation.ts'
import { mixedTargets, multiLabelObjective } from './multi-label-objective.ts'
import { type MultiLabelProgram, multiLabelProgram } from './multi-label-program.ts'
import { type MultiLabelResult, multiLabelScores } from './multi-label-result.ts'

/** Saying of each class whether an image shows it. */
export const multiLabel: TaskKind = {
  name: 'multi-label',
  exportName: 'multi-label-image-classification',
  measures: multiLabelMeasures,
  accepts: ({ model, data }) => model.detector === null && taskOfData(data.name) === 'multi-label',
  open: openMultiLabelTask,
}

/**
 * Opens the data of a multi-label network.
 *
 * @throws MoietyError `usage` for a data set whose images do not have several labels, `data` or `usage` as `openMultiLabel`
 */
export async function openMultiLabelTask(
  config: Config,
  { onProgress, normalisation }: OpenTaskOptions = {},
): Promise<MultiLabelTask> {
  const { data } = config
  const own = await openOwn('multi-label', data, onProgress)
  if (own === undefined && data.name !== 'multi-label')
    fail({
      kind: 'usage',
      message: `expected images with any number of labels, but those of ${data.name} have ${taskOfData(data.name) === 'detection' ? 'boxes' : 'one class each'}`,
      where: 'data.name',
      help: 'give a labels file or the folder of one: --data DIR',
    })
  const dataset = own ?? (await openMultiLabel({ ...data, directory: needDirectory(data) }, onProgress))
  return new MultiLabelTask(config, { ...dataset, ...normalisation })
}

/** What a variant of a multi-label network does on a split. */
export interface MultiLabelVariant extends VariantResult {
  /** Average precision. */
  readonly perClass: readonly (number | null)[]
  /** [images · classes]: 1 for what it says an image shows, at the thresholds of the network as trained. */
  readonly found: Uint8Array
}

/** A configured multi-label network and its data. */
export class MultiLabelTask
  extends SquareImageTask<MultiLabelDataset>
  implements Task<MultiLabelResult, MultiLabelVariant>
{
  readonly kind = multiLabel
  readonly identity
  readonly mixtures: readonly Mixture[]

  constructor(config: Config, data: MultiLabelDataset) {
    super(config, data)
    const hash = createHash('sha256')
    for (const { targets } of splitsOf(data)) hash.update(targets)
    this.identity = identity(data, hash.digest('hex'))
    this.mixtures = mixturesOf(config.model, data)
  }

  get facts(): NetworkFacts {
    const { parameters, activeParameters, multiplyAdds } = this.#program()
    return { description: networkText(this.config.model), parameters, activeParameters, multiplyAdds }
  }

  checkTrainable(): void {
    checkTrainable(this.data)
  }

  async load(indices: Uint32Array, epoch: number): Promise<TaskBatch> {
    const { mean, std, train, classes } = this.data
    const { augmentation, seed } = this.config
    const form = this.form(indices.length, epoch)
    const images = await imageBatch(train, indices, {
      mean,
      std,
      augmentation,
      seed,
      epoch,
      size: form.height,
    })
    const targets = targetsOf(train, indices, classes.length)
    return {
      form,
      feeds: isMixed(augmentation)
        ? this.#mixed(images, targets, indices, epoch)
        : new Map([
            ['images', images],
            ['targets', targets],
          ]),
    }
  }

  /** A batch whose images are mixed, all by one λ, which is drawn for the first of them. */
  #mixed(images: HostTensor, targets: HostTensor, indices: Uint32Array, epoch: number): TaskBatch['feeds'] {
    const { augmentation, seed } = this.config
    const mixing = drawMixing(augmentation, images.shape[2]!, draws(seed, 'mix', epoch, indices[0]))
    const mixed = mixLabels(targets, mixing)
    return new Map([
      ['images', mixImages(images, mixing)],
      ['targets', mixed.labels],
      [mixedTargets.others, mixed.others],
      [mixedTargets.shares, mixed.shares],
    ])
  }

  /** Images that show each class, where the configuration weights by them. */
  get trainingNotes(): string[] {
    const weights = this.#positiveWeights()
    if (weights === undefined) return []
    const { classes, train } = this.data
    return [countsText(classes, labelCounts(train, classes.length), weights)]
  }

  #positiveWeights(): number[] | undefined {
    const { classWeights } = this.config.training
    if (classWeights === undefined) return undefined
    const { classes, train } = this.data
    return positiveWeights(classWeights, classes, labelCounts(train, classes.length), train.length)
  }

  objective(): BuildObjective {
    const { model, training, augmentation } = this.config
    const classes = this.data.classes.length
    return multiLabelObjective({
      loss: namedLoss(training.loss),
      classifier: classifierOf(model, { classes }),
      classes,
      labelSmoothing: training.labelSmoothing,
      positiveWeights: this.#positiveWeights(),
      mixed: isMixed(augmentation),
    })
  }

  /** F1 over all labels so far: means over images have the same ratio as sums. */
  trainMeasures({ found = 0, positives = 0, right = 0 }: Readonly<Record<string, number>>) {
    return { f1: precisionRecall({ found, positives, right }).f1 }
  }

  evaluation(engines: readonly Engine[], overrides?: RoutingOverrides): Evaluation<MultiLabelResult> {
    const { batch, metrics } = this.config.training
    return new MultiLabelEvaluation(this.data, batch, engines, this.#program(overrides), metrics)
  }

  async withVariants(
    engine: Engine,
    split: SplitName,
    { variants: wanted, onEvent = () => undefined }: VariantOptions = {},
  ): Promise<EvaluatedVariants<MultiLabelResult, MultiLabelVariant>> {
    const { config, data, mixtures } = this
    const onProgress = (done: number, total: number) =>
      onEvent({ kind: 'progress', what: 'evaluating', done, total })
    const evaluation = this.evaluation([engine])
    const trained = (await evaluation.run(split, { onProgress }))!
    await evaluation.release()
    const all = wanted ?? mixtures.flatMap(variantsOf)
    if (all.length === 0) return { trained, variants: [] }
    const classes = data.classes.length
    const { length, targets } = splitNamed(data, split)
    const thresholds = trained.classes.map(({ threshold }) => threshold)
    const groups = await byVariantGroup(all, onEvent, async (group, onGroupProgress) => {
      const program = this.#variantProgram(group)
      const loaded = await engine.load(program.program)
      const run = { data, batch: config.training.batch, program, loaded: [loaded] }
      const { probabilities } = (await runMultiLabel(run, split, { onProgress: onGroupProgress }))!
      await loaded.release()
      return group.map((variant, v): MultiLabelVariant => {
        const own = probabilities[v + 1]!
        return {
          variant,
          ...multiLabelScores({ length, targets, probabilities: own }, classes),
          predictions: null,
          found: foundAt(own, thresholds),
        }
      })
    })
    return { trained, variants: groups.flat() }
  }

  #program(override?: RoutingOverrides): MultiLabelProgram {
    const { config, data } = this
    const classifier = classifierOf(config.model, { classes: data.classes.length, override })
    return multiLabelProgram({ classifier, size: data.size, loss: namedLoss(config.training.loss) })
  }

  /** All experts see all images, so that variants share their results. */
  #variantProgram(variants: readonly Variant[]): MultiLabelProgram {
    const { config, data, mixtures } = this
    const classes = data.classes.length
    const build = (variant: Variant) =>
      classifierOf(config.model, { classes, override: overridesOf(variant, mixtures), dispatch: 'stacked' })
    return multiLabelProgram({
      loss: namedLoss(config.training.loss),
      classifier: build({ kind: 'trained' }),
      size: data.size,
      variants: variants.map(build),
    })
  }
}

/** How many images show each class. */
function labelCounts({ length, targets }: MultiLabelSplit, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0)
  for (let at = 0; at < length * classes; at++) counts[at % classes]! += targets[at]!
  return counts
}

/** Refuses data from which nothing can be learned or tested. */
function checkTrainable(dataset: MultiLabelDataset): void {
  const { train, title } = dataset
  const heldOut = dataset[heldOutSplit(dataset)]?.length ?? 0
  if (train.length === 0 || heldOut === 0)
    fail({
      kind: 'data',
      message: `training expected images to train and to test on, but got ${train.length} and ${heldOut}`,
      where: title,
      help: 'look at the splits of the labels file, at data.directory and data.limit',
    })
  if (!train.targets.includes(1))
    fail({
      kind: 'data',
      message: `training expected labels to learn, but none of the ${train.length} training images has one`,
      where: title,
      help: 'look at the labels file',
    })
}
