/**
 * ResNets and RetinaNet with torchvision's names, and mixtures of experts inside them.
 *
 * @module
 */
export { activeMultiplyAdds, activeParameterCount } from './active-parameters.ts'
export * from './detection/index.ts'
export { type EmbeddedMoe, type EmbeddingStyle, embed } from './embed.ts'
export { expertWidth } from './expert-width.ts'
export { defineLoss, type Loss, type LossDefinition } from './loss.ts'
export { defineNetwork, type NetworkBuilder, type NetworkDefinition, type NetworkResult } from './network.ts'
export {
  type BackboneOptions,
  type Classification,
  type Classifier,
  type ConvBuilder,
  type ResNetName,
  type ResNetOptions,
  type ResNetResult,
  type ResNetStages,
  resnet,
  resnetStages,
  type StageBuilder,
  type StagePlan,
  type StemName,
  stems,
} from './resnet.ts'
export { anchorTargetInputs, labelInput, targetInputs } from './target-inputs.ts'
