/**
 * RetinaNet: anchors and their targets, feature pyramid, heads with mixtures of experts, losses, detections.
 *
 * @module
 */

export {
  type AnchorTargets,
  anchorTargets,
  bestAnchors,
  defaultMatching,
  type ImageObjects,
  ignoredClass,
  type MatchingOptions,
  matchAnchors,
  unmatched,
} from './anchor-matching.ts'
export * from './anchors.ts'
export {
  anchorConstant,
  type Canvas,
  type Deviations,
  decodeBoxes,
  decodedBoxes,
  deviations,
  encodeBox,
  largestGrowth,
} from './box-coding.ts'
export {
  type Detections,
  type DetectionsOptions,
  defaultDetections,
  detections,
} from './decode-detections.ts'
export { featurePyramid } from './fpn.ts'
export {
  detectionHeads,
  type HeadGate,
  type HeadMixture,
  type HeadsOptions,
  type HeadsResult,
  priorProbability,
} from './heads.ts'
export type { HeadInitialisation } from './initialisation.ts'
export {
  type ClassScores,
  type DetectionLosses,
  type DetectionLossOptions,
  type DetectionTargets,
  detectionLosses,
  focalLoss,
  smoothL1Loss,
  weightedLosses,
} from './losses.ts'
export {
  type Detector,
  type Freeze,
  type RetinaNetOptions,
  type RetinaNetResult,
  retinanet,
} from './retinanet.ts'
