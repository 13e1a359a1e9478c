import { type State, sizeOf } from '../base/tensor.ts'
import type { Config } from '../run/config.ts'
import type { ModelMetadata } from './metadata.ts'

/** Names that a hub has for the data sets that are on one. */
const hubDatasets: Readonly<Partial<Record<Config['data']['name'], string>>> = {
  cifar10: 'cifar10',
  cifar100: 'cifar100',
}

const dataTitles = {
  sample: "Moiety's sample of drawings (emoji artwork)",
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  folder: 'a folder of images',
  scenes: "Moiety's scenes of drawings (emoji artwork)",
  coco: 'COCO, or a folder in its format',
} as const satisfies Record<Config['data']['name'], string>

/**
 * The model card: YAML for the hub between two lines of dashes, then text for people. It says what was measured and
 * nothing else; the licence is for whoever publishes it to choose.
 */
export function modelCard(metadata: ModelMetadata, config: Config, parameters: State): string {
  return [frontMatter(metadata, config), '', ...body(metadata, config, parameters), ''].join('\n')
}

/** JSON's strings and lists are YAML's, too, so that no name can break out of its place. */
const yaml = (value: unknown): string => JSON.stringify(value)

function frontMatter({ accuracy, recipe, layers }: ModelMetadata, { data, model }: Config): string {
  const dataset = hubDatasets[data.name]
  const tags = ['image-classification', model.name, ...(layers.length > 0 ? ['mixture-of-experts'] : [])]
  const measured = accuracy && [
    { type: 'accuracy', name: 'Top-1 accuracy', value: accuracy.top1 },
    { type: 'accuracy', name: 'Top-5 accuracy', value: accuracy.top5 },
  ]
  return [
    '---',
    '# Choose a licence before you publish this: https://spdx.org/licenses',
    'license: other',
    'license_name: not-chosen-yet',
    'library_name: moiety',
    'pipeline_tag: image-classification',
    `tags: ${yaml([...tags, 'onnx', 'safetensors'])}`,
    ...(dataset === undefined ? [] : [`datasets: ${yaml([dataset])}`]),
    'metrics: ["accuracy"]',
    ...(measured === undefined
      ? []
      : [
          'model-index:',
          `  - name: ${yaml(recipe)}`,
          '    results:',
          '      - task:',
          '          type: image-classification',
          '        dataset:',
          `          type: ${yaml(dataset ?? data.name)}`,
          `          name: ${yaml(dataTitles[data.name])}`,
          '          split: test',
          `        metrics: ${yaml(measured)}`,
        ]),
    '---',
  ].join('\n')
}

function body(metadata: ModelMetadata, config: Config, parameters: State): string[] {
  const { model, data } = config
  const count = [...parameters.values()].reduce((total, { shape }) => total + sizeOf(shape), 0)
  const { accuracy, classes, normalisation } = metadata
  return [
    `# ${inline(metadata.recipe)}`,
    '',
    `A ${model.name} of width ${model.width} (${model.stem} stem), trained by Moiety ${metadata.moiety_version} on ` +
      `${dataTitles[data.name]}, for ${metadata.step.toLocaleString('en')} steps. It has ${count.toLocaleString('en')} ` +
      `numbers and tells ${classes.length} classes apart.`,
    '',
    accuracy === undefined
      ? 'This checkpoint was not tested on held-out images.'
      : `Accuracy on held-out images: ${percent(accuracy.top1)} top-1, ${percent(accuracy.top5)} top-5.`,
    '',
    '## Input',
    '',
    `RGB images of ${data.size}×${data.size} pixels, float32 [N, 3, ${data.size}, ${data.size}]` +
      (normalisation === undefined
        ? '; by which mean and deviation they were normalised is not known.'
        : `, normalised: (pixel / 255 − mean) / std with mean ${numbers(normalisation.mean)} and std ${numbers(normalisation.std)}.`),
    '',
    ...experts(metadata),
    '## Files',
    '',
    "`model.safetensors` has torchvision's names (`conv1.weight`, `layer1.0.bn1.running_mean`, `fc.bias`); a mixture of",
    'experts has `gate.*` and `experts.I.*` where the stage would be. `config.json` says the rest.',
    '',
    '## Classes',
    '',
    classes.map(name => `\`${inline(name)}\``).join(', '),
  ]
}

function experts({ layers, captions }: ModelMetadata): string[] {
  if (layers.length === 0) return []
  const rows = layers.flatMap(({ name, experts: count }) =>
    Array.from({ length: count }, (_, i) => captions[name]?.[i] ?? null).flatMap((caption, i) =>
      caption === null ? [] : [`| ${name} | ${i} | ${inline(caption)} |`],
    ),
  )
  return [
    '## Experts',
    '',
    ...layers.map(
      ({ name, k, experts: count, constraint, style }) =>
        `- \`${name}\` (${style}): ${k} of ${count} experts compute each image; constraint: ${constraint}`,
    ),
    '',
    ...(rows.length === 0 ? [] : ['| layer | expert | sees most |', '|---|---|---|', ...rows, '']),
  ]
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`

const numbers = (values: readonly number[]): string =>
  `[${values.map(value => Number(value.toFixed(4))).join(', ')}]`

/** A name from a file as a piece of one line of Markdown. */
function inline(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|`<>[\]*_\\]/g, '\\$&')
}
