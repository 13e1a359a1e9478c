import { version } from '../files/version.ts'
import type { LayerInfo } from '../moe/index.ts'
import type { ModelMetadata } from './metadata.ts'
import { imagesInput, type ModelForm, weightsOutput } from './model.ts'
import type { RunFacts } from './run-facts.ts'

/** What an exported model says of itself: what the run knows, and the form that was chosen. */
export function describeModel(
  { config, checkpoint, recipe, data, accuracy, captions }: RunFacts,
  form: ModelForm,
  layers: readonly LayerInfo[],
): ModelMetadata {
  const { classes, superclasses, superclassOf, normalisation } = data
  // The network meets its layers from the stem on, whatever their order in the configuration.
  const inOrder = [...config.model.moe].sort((a, b) => a.position - b.position)
  return {
    moiety_version: version,
    recipe,
    step: checkpoint.step,
    routing: form.routing,
    input: {
      name: imagesInput,
      dtype: form.uint8 ? 'uint8' : 'float32',
      layout: form.channelsLast ? 'NHWC' : 'NCHW',
      size: config.data.size,
      batch: form.batch,
    },
    normalisation: normalisation && { ...normalisation, inside: form.uint8 },
    classes,
    superclasses,
    superclass_of: superclassOf,
    layers: layers.map(({ name, experts, k }, i) => {
      const { position, style, weighting, constraint } = inOrder[i]!
      const output = weightsOutput(name)
      return { name, output, position, style, experts, k, weighting, constraint: constraint.name }
    }),
    captions: Object.fromEntries(
      layers.flatMap(({ name }) => {
        const known = captions[name]
        return known === undefined ? [] : [[name, known]]
      }),
    ),
    accuracy,
    config,
  }
}
