import type { NamedOptions } from '../base/component.ts'
import { builtInDataset, datasets, sizesOf } from '../data/datasets/registry.ts'
import { expertWidth } from '../models/expert-width.ts'
import { resnets } from '../models/resnet.ts'
import { requireComponents, type UsedComponents, usedComponents } from './components.ts'
import { configError, explainIssues } from './explain.ts'
import { completeGate, defaultNoise, gateNamed } from './moe.ts'
import { brokenRules } from './rules.ts'
import { type Config, configSchema, type DetectorConfig, type ParsedConfig } from './schema.ts'

export {
  configDifferences,
  type Difference,
  safeToChange,
  unsafeDifferences,
  withoutSafeKeys,
} from './differences.ts'
export { applyOverrides } from './overrides.ts'
export type {
  AugmentationConfig,
  Config,
  ConstraintConfig,
  DataConfig,
  DetectorConfig,
  EngineConfig,
  HeadMixtureConfig,
  ModelConfig,
  MoeLayerConfig,
  NetworkConfig,
  OptimizerConfig,
  ScheduleConfig,
  TrainingConfig,
} from './schema.ts'

/**
 * Reads a configuration strictly and makes every default explicit.
 *
 * A resolved configuration resolves to itself, so a run's `config.json` is read by the same function.
 *
 * @param input - an object as JSON gives it; nothing else of it is trusted
 * @param source - what errors call the input: a recipe's name or a file
 * @throws MoietyError of kind `usage`, naming each mistake's path and, for an unknown key, the nearest known one
 */
export function resolveConfig(input: unknown, source: string): Config {
  requireComponents(input, source)
  const parsed = configSchema().safeParse(input)
  if (!parsed.success) throw configError(explainIssues(parsed.error.issues, input), source)
  const size = imageSize(parsed.data)
  const broken = brokenRules(parsed.data, size)
  if (broken.length > 0) throw configError(broken, source)
  return complete(parsed.data, size)
}

/**
 * Height and width of an image: 32 for the sample and CIFAR; a folder's are resized to what its stem is for. Images with
 * boxes keep their shape, and this is their longer side: 128 for scenes; COCO's are at most 1024 by 608 (METHOD.md §5.1).
 */
function imageSize({ data, model }: ParsedConfig): number {
  if (data.size !== null) return data.size
  const { usual, photographs = usual } = sizesOf(data.name)
  return model.stem === 'imagenet' ? photographs : usual
}

/** The shorter side; see {@link imageSize}. */
function shortestSide({ data }: ParsedConfig, size: number): number {
  const usual = data.size === null ? builtInDataset(data.name)?.shortest : undefined
  return data.shortest ?? usual ?? size
}

/** METHOD.md §1.4's width; null where an expert is one convolution of the network and has no inner width. */
function widthByRule(
  { position, style }: ParsedConfig['model']['moe'][number],
  { name, width }: ParsedConfig['model'],
): number | null {
  const depth = style === 'conv' ? undefined : resnets[name].depths[position - 1]
  return depth === undefined ? null : expertWidth(name, position, width, depth)
}

/** A detector whose mixture says whether its logits carry noise. */
function withNoise(detector: ParsedConfig['model']['detector']): DetectorConfig | null {
  if (detector === null) return null
  const { mixture } = detector
  if (mixture === null) return { ...detector, mixture }
  const noise = mixture.noise ?? defaultNoise(mixture.constraint.name, mixture.experts)
  return { ...detector, mixture: { ...mixture, gate: completeGate(mixture.gate), noise } }
}

/** The files of the components that a configuration names. */
function usedBy({
  model,
  data,
  augmentation,
  training,
  optimizer,
  schedule,
}: ParsedConfig): UsedComponents | undefined {
  const mixture = model.detector?.mixture ?? null
  const layers = [...model.moe, ...(mixture === null ? [] : [mixture])]
  return usedComponents({
    constraint: layers.map(({ constraint }) => constraint.name),
    gate: layers.map(({ gate }) => gateNamed(gate).name),
    optimizer: [optimizer.name],
    schedule: [schedule.name],
    network: namesOf(model.network),
    dataset: [data.name],
    transform: namesOf(...(augmentation.transforms ?? [])),
    metric: namesOf(...(training.metrics ?? [])),
    callback: namesOf(...(training.callbacks ?? [])),
  })
}

/** The options of a user's data set with its defaults. */
function completeOptions({ name, options = {} }: ParsedConfig['data']) {
  const dataset = datasets.find(name)
  if (dataset === undefined) return {}
  const { name: _, ...completed } = dataset.schema.parse({ ...options, name })
  return { options: completed }
}

const namesOf = (...components: readonly (NamedOptions | undefined)[]): string[] =>
  components.flatMap(one => one?.name ?? [])

function complete(parsed: ParsedConfig, size: number): Config {
  const { use: _, ...rest } = parsed
  const { schedule, optimizer } = parsed
  const use = usedBy(parsed)
  const { from: _from, ...model } = parsed.model
  return {
    ...rest,
    data: {
      ...parsed.data,
      ...completeOptions(parsed.data),
      size,
      shortest: shortestSide(parsed, size),
    },
    model: {
      ...model,
      detector: withNoise(parsed.model.detector),
      moe: parsed.model.moe.map(layer => ({
        ...layer,
        expertWidth: layer.expertWidth ?? widthByRule(layer, parsed.model),
        gate: completeGate(layer.gate),
        noise: layer.noise ?? defaultNoise(layer.constraint.name, layer.experts),
      })),
    },
    schedule:
      schedule.name === 'one-cycle' || schedule.warmup === null
        ? schedule
        : { ...schedule, warmup: { ...schedule.warmup, to: schedule.warmup.to ?? optimizer.learningRate } },
    ...(use === undefined ? {} : { use }),
  }
}
