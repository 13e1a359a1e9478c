import { fail } from '../base/errors.ts'
import type { State } from '../base/tensor.ts'
import type { ModelConfig } from '../config/config.ts'
import { normalisation as gainAndOffset } from '../data/augmentation.ts'
import {
  add,
  asFloat,
  Graph,
  type LoweringOptions,
  lower,
  mul,
  type Program,
  type Tensor,
  transpose,
} from '../graph/index.ts'
import { type LayerInfo, layerInfo } from '../moe/index.ts'
import { adopt, type Declarations, Scope } from '../nn/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { foldConstants, withConstants } from './constants.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import type { Normalisation } from './run-facts.ts'

/** The name of the exported model's only input. */
export const imagesInput = 'images'

/** Options of an exported model's input and computation. */
export interface ModelForm {
  /** `sparse` computes the chosen experts only; `dense` computes all of them, and every shape is static. */
  readonly routing: 'sparse' | 'dense'
  /** Batch size; null: any. */
  readonly batch: number | null
  /** uint8 pixels, 0 … 255, which the model normalises, instead of normalised float32. */
  readonly uint8: boolean
  /** [N, H, W, 3], as image decoders give pixels, instead of [N, 3, H, W]. */
  readonly channelsLast: boolean
}

/** A trained classifier, to be exported with its parameters. */
export interface TrainedClassifier {
  readonly model: ModelConfig
  readonly classes: number
  /** Height and width of an image (S). */
  readonly size: number
  readonly state: State
  readonly normalisation: Normalisation | undefined
}

/** A network whose only input is images, as symbolic tensors. */
export interface ExportedModel {
  /** Outputs of the file, by name. */
  readonly outputs: ReadonlyMap<string, Tensor>
  /** The mixtures of experts, in order. */
  readonly layers: readonly LayerInfo[]
  /** Numbers of BatchNorms folded into a convolution, and of those that remain. */
  readonly batchNorms: { readonly folded: number; readonly left: number }
  /** The tensors of the network's state, by torchvision's names. */
  readonly parameters: State
}

/**
 * Builds a classifier for inference, its parameters inside. Its input is `images`, its outputs are `logits` [N, classes]
 * and, for every mixture of experts, `NAME.weights` [N, E], the gate weights, 0 for experts that were not selected.
 *
 * @throws MoietyError `usage` for uint8 where the normalisation is not known, or a model too large for one file; `disk` for
 *   a state that does not fit the model
 */
export function exportedModel(trained: TrainedClassifier, form: ModelForm): ExportedModel {
  const { model, classes, size, state } = trained
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = preprocessed(graph, [size, size], form, trained.normalisation)
  const { logits, stats } = classifierOf(model, { classes, dispatch: form.routing })(scope, images)
  const wanted = new Map([
    ['logits', logits],
    ...stats.map(({ name, routing }) => [weightsOutput(name), routing.weights] as const),
  ])
  return { ...withParameters(wanted, scope.declarations, state), layers: stats.map(layerInfo) }
}

/**
 * Outputs with embedded parameters, and with BatchNorm folded into the preceding convolution wherever that is exact.
 *
 * @throws MoietyError `disk` for a state that does not fit the declarations; `usage` for one too large for a file
 */
export function withParameters(
  wanted: ReadonlyMap<string, Tensor>,
  declarations: Declarations,
  state: State,
): Omit<ExportedModel, 'layers'> {
  const parameters = fitting(declarations, state)
  refuseTooLarge(parameters)
  const { outputs, ...batchNorms } = foldBatchNorm(foldConstants(withConstants(wanted, parameters)))
  return { outputs, batchNorms, parameters }
}

/** An exported model as an ONNX file of the default domain, in the bytes of `model`. */
export function modelFile(
  { outputs }: ExportedModel,
  options: Pick<LoweringOptions, 'name' | 'metadata'> = {},
): Program {
  // With names for their extents, ONNX Runtime can prove that what a block adds has one shape, however many images chose
  // the expert. Otherwise it reshapes to [0, C / 16, 0, 0, 16] in between, which fails where no image did.
  return lower(outputs, { ...options, extents: true })
}

/** The output that holds a layer's weights. */
export function weightsOutput(layer: string): string {
  return `${layer}.weights`
}

/**
 * Converts input images to the form that the network was trained on.
 *
 * @returns float32 [N, 3, H, W], normalised
 * @throws MoietyError `usage` for uint8 where the normalisation is not known
 */
export function preprocessed(
  graph: Graph,
  [height, width]: readonly [height: number, width: number],
  { batch, uint8, channelsLast }: ModelForm,
  normalisation: Normalisation | undefined,
): Tensor {
  const count = batch ?? 'N'
  const shape = channelsLast ? [count, height, width, 3] : [count, 3, height, width]
  const given = graph.input(imagesInput, uint8 ? 'uint8' : 'float32', shape)
  const planar = (x: Tensor): Tensor => (channelsLast ? transpose(x, [0, 3, 1, 2]) : x)
  if (!uint8) return planar(given)
  if (normalisation === undefined) {
    return fail({
      kind: 'usage',
      message: 'the model cannot normalise images: the run does not record their mean and deviation',
      where: '--uint8',
      help: 'restore the data at data.directory of the run, or omit --uint8',
    })
  }
  const { gain, offset } = gainAndOffset(normalisation.mean, normalisation.std)
  const channels = (values: readonly number[]): Tensor => graph.constant('float32', [3, 1, 1], values)
  return add(mul(planar(asFloat(given)), channels(gain)), channels(offset))
}

/** The part of a checkpoint's state that the model declares. */
function fitting(declarations: Declarations, state: State): State {
  const declared = new Map(
    declarations
      .all()
      .map(({ name, shape }) => [name, { dtype: 'float32', shape, data: new Float32Array() } as const]),
  )
  const { state: found, missing, misshapen } = adopt(declared, state)
  const problem = missing[0] ?? misshapen[0]
  if (problem === undefined) return found
  return fail({
    kind: 'disk',
    message: `the checkpoint has other tensors than the configuration: ${missing.length} missing, ${misshapen.length} of another shape; first: ${problem}`,
    where: 'config.json and the newest checkpoint',
    help: 'they belong to different runs, config.json was changed, or another version wrote them; restore matching files',
  })
}

/** Protocol buffers, and so single-file ONNX models, are limited to 2 GiB. */
function refuseTooLarge(parameters: State): void {
  const bytes = [...parameters.values()].reduce((total, { data }) => total + data.byteLength, 0)
  if (bytes < 2 ** 31 - 2 ** 24) return
  fail({
    kind: 'usage',
    message: `the parameters have ${(bytes / 1e9).toFixed(1)} GB, more than one ONNX file can hold (2.1 GB)`,
    help: 'such a network can be evaluated by Moiety, but not exported; train a narrower one',
  })
}
