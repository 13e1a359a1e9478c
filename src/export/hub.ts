import { join } from 'node:path'
import type { State } from '../base/tensor.ts'
import type { Config } from '../config/config.ts'
import type { FileContent } from '../files/replace-files.ts'
import { encodeSafetensors } from '../files/safetensors.ts'
import type { ModelMetadata } from './metadata.ts'
import { modelCard } from './model-card.ts'

/** The content of a model's folder on a hub. */
export interface HubContent {
  readonly metadata: ModelMetadata
  readonly config: Config
  /** By Moiety's names, which are torchvision's for a ResNet. */
  readonly parameters: State
}

/** A folder for model hubs: `model.safetensors`, `config.json`, and a model card `README.md`, to be written together. */
export function hubFiles(folder: string, content: HubContent): FileContent[] {
  const { metadata, config } = content
  const parameters =
    metadata.task === 'object-detection' ? inTorchvisionsPlaces(content.parameters) : content.parameters
  const files = {
    // Loaders of PyTorch look for this mark.
    'model.safetensors': encodeSafetensors(parameters, { format: 'pt' }),
    'config.json': `${JSON.stringify(hubConfig(metadata, config), null, 2)}\n`,
    'README.md': modelCard(metadata, config, parameters),
  }
  return Object.entries(files).map(([name, bytes]) => ({ path: join(folder, name), bytes }))
}

/** A RetinaNet's tensors as torchvision's has them: the ResNet at `backbone.body`, the pyramid at `backbone.fpn`. */
function inTorchvisionsPlaces(parameters: State): State {
  const place = (name: string): string => {
    if (name.startsWith('head.')) return name
    return name.startsWith('fpn.') ? `backbone.${name}` : `backbone.body.${name}`
  }
  return new Map([...parameters].map(([name, tensor]) => [place(name), tensor]))
}

/** `architecture`, `num_classes`, `pretrained_cfg` and `id2label` are the keys of other image classifiers. */
function hubConfig(metadata: ModelMetadata, { model }: Config) {
  const { classes, normalisation, layers, captions, detection } = metadata
  const { canvas = [metadata.input.size, metadata.input.size] } = metadata.input
  const ends =
    detection === undefined
      ? { first_conv: 'conv1', classifier: 'fc' }
      : { first_conv: 'backbone.body.conv1', classifier: 'head.classification_head.cls_logits' }
  return {
    architecture: detection === undefined ? (model.network?.name ?? model.name) : `retinanet_${model.name}`,
    model_type: 'moiety',
    task: metadata.task,
    num_classes: classes.length,
    pretrained_cfg: {
      input_size: [3, ...canvas],
      num_classes: classes.length,
      ...(model.network === undefined ? ends : {}),
      ...(normalisation === undefined ? {} : { mean: normalisation.mean, std: normalisation.std }),
    },
    id2label: Object.fromEntries(classes.entries()),
    label2id: Object.fromEntries(classes.map((name, label) => [name, label])),
    ...(model.network === undefined
      ? { stem: model.stem, width: model.width, moe: model.moe }
      : { network: model.network }),
    moe_layers: layers,
    ...(detection === undefined ? {} : { detector: model.detector, detection }),
    captions,
    moiety_version: metadata.moiety_version,
    recipe: metadata.recipe,
    step: metadata.step,
  }
}
