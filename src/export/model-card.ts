import { markdown, markdownCode, visibleJson } from '../base/escaping.ts'
import { type State, sizeOf } from '../base/tensor.ts'
import type { Config } from '../config/config.ts'
import { builtInDataset } from '../data/datasets/registry.ts'
import type { ModelMetadata } from './metadata.ts'

/**
 * The model card: YAML for the hub between two lines of dashes, then text for people. It says what was measured and
 * nothing else; the publisher chooses the licence.
 */
export function modelCard(metadata: ModelMetadata, config: Config, parameters: State): string {
  return [frontMatter(metadata, config), '', ...body(metadata, config, parameters), ''].join('\n')
}

/** JSON's strings and lists are YAML's, too, so that no name can break out of its field. */
const yaml = (value: unknown): string => visibleJson(value)

function frontMatter(metadata: ModelMetadata, { data, model }: Config): string {
  const { task, recipe, layers } = metadata
  // Hubs have one pipeline for images with one class and with several.
  const pipeline = task === 'object-detection' ? task : 'image-classification'
  const dataset = builtInDataset(data.name)?.hub
  const kinds = task === 'object-detection' ? ['retinanet', model.name] : [model.network?.name ?? model.name]
  const tags = [task, ...kinds, ...(layers.length > 0 ? ['mixture-of-experts'] : [])]
  const measured = measuredFor(metadata)
  return [
    '---',
    '# Choose a licence before you publish this: https://spdx.org/licenses',
    'license: other',
    'license_name: not-chosen-yet',
    'library_name: moiety',
    `pipeline_tag: ${pipeline}`,
    `tags: ${yaml([...tags, 'onnx', 'safetensors'])}`,
    ...(dataset === undefined ? [] : [`datasets: ${yaml([dataset])}`]),
    `metrics: ${yaml([task === 'image-classification' ? 'accuracy' : 'mean_average_precision'])}`,
    ...(measured === undefined
      ? []
      : [
          'model-index:',
          `  - name: ${yaml(recipe)}`,
          '    results:',
          '      - task:',
          `          type: ${pipeline}`,
          '        dataset:',
          `          type: ${yaml(dataset ?? data.name)}`,
          `          name: ${yaml(titleOf(data.name))}`,
          '          split: test',
          `        metrics: ${yaml(measured)}`,
        ]),
    '---',
  ].join('\n')
}

/** Measured values for the front matter; undefined if there are none. */
function measuredFor({ accuracy, coco_metrics: numbers, measures }: ModelMetadata) {
  if (accuracy !== undefined)
    return [
      { type: 'accuracy', name: 'Top-1 accuracy', value: accuracy.top1 },
      { type: 'accuracy', name: 'Top-5 accuracy', value: accuracy.top5 },
    ]
  const known = numbers ?? measures
  return known && numbersOf(known).map(([name, value]) => ({ type: name.toLowerCase(), name, value }))
}

/** Those numbers that there are. */
function numbersOf(numbers: NonNullable<ModelMetadata['measures']>): [name: string, value: number][] {
  return Object.entries(numbers).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
}

/** Of a data set of the user's own, its name. */
const titleOf = (name: string): string => builtInDataset(name)?.title ?? markdown(name)

function networkInWords({ network, name, width, stem }: Config['model']): string {
  return network === undefined
    ? `${name} of width ${width} (${stem} stem)`
    : `network ${markdown(network.name)}`
}

function body(metadata: ModelMetadata, config: Config, parameters: State): string[] {
  const { model, data } = config
  const count = [...parameters.values()].reduce((total, { shape }) => total + sizeOf(shape), 0)
  const { classes, normalisation, input, task } = metadata
  const isDetector = task === 'object-detection'
  const [height, width] = input.canvas ?? [input.size, input.size]
  return [
    `# ${markdown(metadata.recipe)}`,
    '',
    `${isDetector ? 'A RetinaNet on a' : 'A'} ${networkInWords(model)}, trained by Moiety ${metadata.moiety_version} on ` +
      `${titleOf(data.name)}, for ${metadata.step.toLocaleString('en')} steps. It has ${count.toLocaleString('en')} ` +
      (isDetector
        ? `numbers and finds objects of ${classes.length} ${classes.length === 1 ? 'class' : 'classes'}.`
        : task === 'multi-label-image-classification'
          ? `numbers and says of each of ${classes.length} ${classes.length === 1 ? 'class' : 'classes'} whether an image shows it: the sigmoid of its logit is the probability.`
          : `numbers and distinguishes ${classes.length} classes.`),
    '',
    measuredInWords(metadata),
    '',
    '## Input',
    '',
    `RGB images of ${width}×${height} pixels, float32 [N, 3, ${height}, ${width}]` +
      (normalisation === undefined
        ? '; the mean and deviation of their normalisation are not known.'
        : `, normalised: (pixel / 255 − mean) / std with mean ${numbers(normalisation.mean)} and std ${numbers(normalisation.std)}.`),
    ...(metadata.detection === undefined ? [] : ['', placement(metadata.detection)]),
    '',
    ...experts(metadata),
    '## Files',
    '',
    ...(isDetector
      ? [
          "`model.safetensors` has torchvision's names for a RetinaNet (`backbone.body.conv1.weight`,",
          '`backbone.fpn.inner_blocks.0.0.weight`, `head.regression_head.bbox_reg.bias`); a mixture of experts has `gate.*` and',
          '`experts.I.*` where the head, or its part, would be. `config.json` has the rest.',
        ]
      : [
          "`model.safetensors` has torchvision's names (`conv1.weight`, `layer1.0.bn1.running_mean`, `fc.bias`); a mixture of",
          'experts has `gate.*` and `experts.I.*` where the stage would be. `config.json` has the rest.',
        ]),
    '',
    '## Classes',
    '',
    classes.map(name => markdownCode(name)).join(', '),
  ]
}

function measuredInWords({ accuracy, coco_metrics: numbers, measures }: ModelMetadata): string {
  if (accuracy !== undefined)
    return `Accuracy on held-out images: ${percent(accuracy.top1)} top-1, ${percent(accuracy.top5)} top-5.`
  if (measures !== undefined) {
    const said = numbersOf(measures).map(([name, value]) => `${name} ${value.toFixed(3)}`)
    return `On held-out images: ${said.join(', ')}.`
  }
  if (numbers === undefined) return 'This checkpoint was not tested on held-out images.'
  const said = numbersOf(numbers).map(([name, value]) => `${name} ${percent(value)}`)
  return `COCO's numbers on held-out images: ${said.join(', ')}.`
}

/** How an image is placed on a detector's canvas. */
function placement({ longest, shortest, score }: NonNullable<ModelMetadata['detection']>): string {
  return (
    `An image keeps its aspect: it is scaled until its longer side has ${longest} pixels or its shorter one ${shortest}, ` +
    'each side rounded, normalised, and put into the upper left corner; the rest is 0. Boxes go back by the ratios of these sides, ' +
    `each axis by its own. Detections have a score above ${score}.`
  )
}

function experts({ layers, captions }: ModelMetadata): string[] {
  if (layers.length === 0) return []
  const rows = layers.flatMap(({ name, experts: count }) =>
    Array.from({ length: count }, (_, i) => captions[name]?.[i] ?? null).flatMap((caption, i) =>
      caption === null ? [] : [`| ${markdown(name)} | ${i} | ${markdown(caption)} |`],
    ),
  )
  return [
    '## Experts',
    '',
    ...layers.map(
      ({ name, k, experts: count, constraint, style, levels }) =>
        `- ${markdownCode(name)}${style === null ? '' : ` (${style})`}: ${k} of ${count} experts compute each ${levels === undefined ? 'image' : 'level of an image'}; constraint: ${markdown(constraint)}`,
    ),
    '',
    ...(rows.length === 0
      ? []
      : [
          '| layer | expert | specialization |',
          '|---|---|---|',
          ...rows,
          '',
          'Ratios are to the mean gate weight over all images explained. Each part of a caption passed a test at the level 0.05, corrected for',
          'what it was chosen from; an expert without a line has no specialization beyond chance.',
          '',
        ]),
  ]
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`

const numbers = (values: readonly number[]): string =>
  `[${values.map(value => Number(value.toFixed(4))).join(', ')}]`
