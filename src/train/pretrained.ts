import { fail } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { Config, ModelConfig } from '../config/config.ts'
import { Graph } from '../graph/index.ts'
import { adopt, Scope } from '../nn/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { detectorOf, isDetector } from '../tasks/detection/detector-of.ts'
import { type NetworkFound, networkOf, settingsFor } from './network-of-weights.ts'
import { ofCocosCategories } from './torchvision-classes.ts'
import { type Copying, copiedExperts } from './upcycle.ts'
import { readWeights } from './weight-file.ts'

/** What of a model's configuration says with which weights it begins. */
export type StartConfig = Pick<ModelConfig, 'weights' | 'weightsPart'> &
  Partial<Pick<ModelConfig, 'weightsEntry' | 'copyNoise'>>

/** What else the first values depend on. */
export interface StartOptions {
  /** Decides the noise and the channels of copies. */
  readonly seed?: number
  /** Of data with boxes: by class. */
  readonly categoryIds?: readonly number[] | undefined
}

/**
 * Puts trained weights (a file with torchvision's names, or a run of Moiety's) into a fresh state.
 *
 * `whole` asks that file and model have the same tensors. `backbone` leaves out what follows a network's stages and whatever
 * a mixture of experts replaces; `features` leaves out a detector's heads and the latter; `trunk` the latter alone; `copies` is `trunk`, and each expert begins as
 * what it replaces in the file; `all-but-classes` is `trunk` without the outputs for classes. `auto` takes what fits of the classifier, pyramid
 * and heads, and all of the rest. What is asked for must be there. Torch's `num_batches_tracked` is ignored.
 *
 * @param onNote - called with what was chosen, or begins at random
 * @throws MoietyError (data) that lists what is missing, not in the model, or of another shape, by name
 */
export async function withPublishedWeights(
  initial: ReadonlyMap<string, HostTensor>,
  config: StartConfig,
  onNote: (note: string) => void = () => undefined,
  { seed = 0, categoryIds }: StartOptions = {},
): Promise<Map<string, HostTensor>> {
  if (config.weights === null) return new Map(initial)
  const { file, tensors, notes } = await readWeights(config.weights, config.weightsEntry ?? null)
  const model = new Map([...initial].filter(([name]) => !name.startsWith('optimizer.')))
  const given = ofCocosCategories(model, tensors, categoryIds)
  const fitted = matched(model, given ?? tensors, config.weightsPart, file, {
    noise: config.copyNoise ?? 0,
    seed,
  })
  const ofCategories =
    given === undefined
      ? []
      : [
          "of the weights' 91 outputs for COCO's category ids, 0 the background, the 80 of this data are taken",
        ]
  for (const note of [...notes, ...ofCategories, ...fitted.notes]) onNote(note)
  return new Map([...initial, ...fitted.state])
}

/**
 * Reads the weights that a training begins with and compares them with the model, before data are opened: only how many classes
 * there are is not known yet.
 *
 * @throws MoietyError as {@link withPublishedWeights}
 */
export async function checkWeights({ model, data }: Pick<Config, 'model' | 'data'>): Promise<void> {
  if (model.weights === null) return
  const { file, tensors } = await readWeights(model.weights, model.weightsEntry)
  const classes =
    [...tensors].find(([name]) => isClassOutput(name) && name.endsWith('.bias'))?.[1].shape[0] ?? 1
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  if (isDetector(model)) {
    const { scales, ratios } = model.detector.anchors
    const images = graph.input('images', 'float32', [1, 3, 128, 128])
    detectorOf(model, { classes: Math.max(1, Math.round(classes / scales.length / ratios.length)) })(
      scope,
      images,
    )
  } else
    classifierOf(model, { classes })(scope, graph.input('images', 'float32', [2, 3, data.size, data.size]))
  const shapes = scope.declarations
    .all()
    .map(({ name, shape }) => [name, { dtype: 'float32', shape, data: new Float32Array() }] as const)
  matched(new Map<string, HostTensor>(shapes), tensors, model.weightsPart, file)
}

/** A model's tensors with those of a file, and what is reported of it. */
interface Fitted {
  readonly state: ReadonlyMap<string, HostTensor>
  readonly notes: readonly string[]
}

function matched(
  model: ReadonlyMap<string, HostTensor>,
  given: ReadonlyMap<string, HostTensor>,
  part: ModelConfig['weightsPart'],
  file: string,
  copying: Copying = { noise: 0, seed: 0 },
): Fitted {
  const free = freeParts(model, given, part)
  const isFree = (name: string): boolean =>
    free.some(one => name === one || name.startsWith(`${one}.`)) ||
    (leavesClasses(model, given, part) && isClassOutput(name))
  const copied = part === 'copies' ? copiedExperts(model, given, copying) : new Map<string, HostTensor>()
  const wanted = new Map([...[...given].filter(([name]) => !isFree(name)), ...copied])
  const { state, missing, unknown, misshapen } = adopt(model, wanted)
  const isLeftOut = (name: string): boolean =>
    isFree(name) && !(part === 'copies' && name.includes('.experts.'))
  const problems = [
    ...list(
      'missing from the file',
      missing.filter(name => !isLeftOut(name)),
    ),
    ...list('not in the model', unknown),
    ...list('of another shape', misshapen),
  ]
  if (problems.length > 0) {
    fail({
      kind: 'data',
      message: 'the weights do not fit the model:',
      details: problems.map(problem => `  ${problem}`),
      where: file,
      help: [
        ...(part === 'whole'
          ? [
              'model.weightsPart=backbone leaves out the classifier and what a mixture of experts replaces, all-but-classes the outputs for classes; of a detector, trunk leaves out the mixtures of its heads',
            ]
          : []),
        proposal(given, file),
      ].join('; or '),
    })
  }
  return { state, notes: ['auto', 'copies'].includes(part) ? notesOn(model, given, isFree, copied) : [] }
}

/** All settings at once that would fit a file. */
function proposal(given: ReadonlyMap<string, HostTensor>, file: string): string {
  let found: NetworkFound
  try {
    found = networkOf(given, file)
  } catch {
    return 'compare model.name, model.stem, model.width and model.detector with the file'
  }
  const settings = Object.entries(settingsFor(found, {})).map(([key, value]) => `model.${key}=${value}`)
  return `--set model.from=${shellWord(file)} alone sets what fits the file: ${settings.join(' ')} model.weightsPart=auto`
}

/** Of `auto` and `copies`: what the classes' outputs and other parts begin as. */
function notesOn(
  model: ReadonlyMap<string, HostTensor>,
  given: ReadonlyMap<string, HostTensor>,
  isFree: (name: string) => boolean,
  copied: ReadonlyMap<string, HostTensor>,
): string[] {
  const starts = new Set([...model.keys()].filter(isFree).map(partOf))
  const outputs = [...model].find(([name]) => isClassOutput(name) && name.endsWith('.weight'))
  const notes =
    outputs === undefined || starts.has(partOf(outputs[0]))
      ? []
      : [
          `${partOf(outputs[0])} is taken from the weights, too, since they have as many classes; model.weightsPart=${outputs[0].startsWith('fc.') ? 'backbone' : 'all-but-classes'} begins it at random`,
        ]
  const parts = [...starts].map(start => {
    const [theirs, own] = [given, model].map(tensors => tensors.get(`${start}.weight`)?.shape[0])
    if ([...copied.keys()].some(name => name.startsWith(`${start}.`)))
      return `experts of ${start} begin as copies of the weights, and its gate at random`
    if (!isClassOutput(`${start}.`)) return `${start} begins at random: the weights do not have it`
    if (theirs === undefined) return `${start} begins at random: the weights have no outputs for classes`
    return `${start} begins at random: the weights have ${theirs} outputs for classes, the model ${own}`
  })
  return [...notes, ...parts]
}

/** `fc` of `fc.weight`, `layer4` of `layer4.experts.0.conv1.weight`, `head` of a head's tensor but its outputs for classes. */
function partOf(name: string): string {
  if (isClassOutput(name)) return name.slice(0, name.lastIndexOf('.'))
  return name.includes('.experts.') ? homeOf(name) : name.slice(0, name.indexOf('.'))
}

/** The last layer for classes, of a classifier or of a detector. */
function isClassOutput(name: string): boolean {
  return /^fc\.|^head\.classification_head\.(?:experts\.\d+\.)?cls_logits\./.test(name)
}

function leavesClasses(
  model: ReadonlyMap<string, HostTensor>,
  given: ReadonlyMap<string, HostTensor>,
  part: ModelConfig['weightsPart'],
): boolean {
  if (part === 'all-but-classes') return true
  // Copies are made for other classes, too; of a detector's outputs, which may be experts, they are asked for.
  if (part === 'copies' && !model.has('fc.weight')) return false
  return ['auto', 'copies'].includes(part) && !matches([...model.keys()].filter(isClassOutput), model, given)
}

/** Whether a file has all of these tensors of a model, in their shapes. */
function matches(
  names: readonly string[],
  model: ReadonlyMap<string, HostTensor>,
  given: ReadonlyMap<string, HostTensor>,
): boolean {
  return names.every(name => given.get(name)?.shape.join() === model.get(name)!.shape.join())
}

/** Beginnings of names that need not be in the file, and are not taken from it if they are. */
function freeParts(
  model: ReadonlyMap<string, HostTensor>,
  given: ReadonlyMap<string, HostTensor>,
  part: ModelConfig['weightsPart'],
): string[] {
  switch (part) {
    case 'whole':
      return []
    case 'backbone':
      return ['fc', 'fpn', 'head', ...replacedParts(model)]
    case 'features':
      return ['head', ...replacedParts(model)]
    case 'trunk':
    case 'copies':
    case 'all-but-classes':
      // A gate that both heads share is outside them.
      return ['head.gate', 'head.constraint', ...replacedParts(model)]
    case 'auto': {
      const under = (start: string, tensors: ReadonlyMap<string, unknown>): string[] =>
        [...tensors.keys()].filter(name => name.startsWith(`${start}.`))
      // A network's classes are no detector's, and the other way round; one that only classifies has no pyramid.
      const absent = ['fc', 'fpn', 'head'].filter(
        start => under(start, model).length === 0 || under(start, given).length === 0,
      )
      const mixtures = ['head.gate', 'head.constraint', ...replacedParts(model)]
      return [...absent, ...mixtures.filter(start => !matches(under(start, model), model, given))]
    }
  }
}

/** The parts of a published network that mixtures of experts replace, by where the model has experts. */
function replacedParts(model: ReadonlyMap<string, HostTensor>): string[] {
  const homes = new Set([...model.keys()].filter(name => name.includes('.experts.')).map(homeOf))
  return [...homes].flatMap(home => {
    if (home === 'stem') return ['stem', 'conv1', 'bn1']
    // A stage that stays in addition to its experts is not replaced.
    const added = ['experts', 'gate', 'constraint', 'scale'].map(part => `${home}.${part}`)
    return model.has(`${home}.0.conv1.weight`) ? added : [home]
  })
}

/** `layer4.1.conv2` of `layer4.1.conv2.experts.0.weight`. */
function homeOf(name: string): string {
  return name.slice(0, name.indexOf('.experts.'))
}

function list(title: string, names: readonly string[]): string[] {
  const shown = names.slice(0, 12)
  const rest = names.length - shown.length
  return names.length === 0
    ? []
    : [`${title} (${names.length}): ${shown.join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`]
}
