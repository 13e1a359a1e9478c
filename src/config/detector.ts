import { z } from 'zod'
import { routingShape } from './moe.ts'

/** The part of the configuration that makes a RetinaNet of the backbone (METHOD.md §5). */
const part = z.number().gt(0).max(1)

const mixtureSchema = () =>
  z.strictObject({
    heads: z
      .enum(['both', 'regression', 'classification'])
      .default('both')
      .describe('which of the two heads is a mixture'),
    gates: z
      .enum(['own', 'shared'])
      .default('own')
      .describe('own: a gate for each head; shared: one says for both heads where a level of an image goes'),
    part: z
      .enum(['head', 'last-conv'])
      .default('head')
      .describe('head: whole heads are the experts; last-conv: their last hidden convolution alone'),
    priorBias: z
      .boolean()
      .default(true)
      .describe("whether experts begin by taking everything for background; the original's did not"),
    ...routingShape(),
  })

export const detectorSchema = () =>
  z.strictObject({
    channels: z
      .int()
      .min(1)
      .max(4096)
      .default(256)
      .describe('channels of every level of the pyramid and of the heads'),
    headDepth: z.int().min(1).max(16).default(4).describe('hidden convolutions of a head'),
    conventions: z
      .enum(['retinanet', 'torchvision'])
      .default('retinanet')
      .describe(
        "torchvision: those of its retinanet_resnet50_fpn, whose weights need them: P6 made of P5, boxes' codes that no deviations divide, anchors at the first pixel of a position and in whole pixels; retinanet: as published, P6 of C5",
      ),
    anchors: z
      .strictObject({
        size: z
          .number()
          .gt(0)
          .max(64)
          .default(4)
          .describe("side of a level's smallest square anchor, in strides of that level"),
        scales: z
          .array(z.number().gt(0).max(64))
          .min(1)
          .max(16)
          .default([1, 2 ** (1 / 3), 2 ** (2 / 3)])
          .describe('factors of that side'),
        ratios: z
          .array(z.number().gt(0).max(64))
          .min(1)
          .max(16)
          .default([0.5, 1, 2])
          .describe('height ÷ width'),
      })
      .prefault({}),
    matching: z
      .strictObject({
        foreground: part
          .default(0.5)
          .describe('an anchor is of an object that it overlaps with at least this IoU'),
        background: part
          .default(0.4)
          .describe('below this IoU an anchor is background; in between it does not count'),
        lowQuality: z
          .boolean()
          .default(false)
          .describe("whether an object's best anchors are its own however little they overlap it"),
        leastSide: z
          .number()
          .min(0)
          .max(1024)
          .default(0)
          .describe(
            'pixels that the sides of a box count as at least, in what an anchor should say of it; the original has 1',
          ),
      })
      .prefault({}),
    boxWeight: z
      .number()
      .gt(0)
      .max(1e6)
      .default(1)
      .describe(
        "what the boxes' loss, summed over their four numbers, is multiplied by; 0.25 makes it their mean, as the original had it",
      ),
    scoreClamp: z
      .number()
      .gt(0)
      .lt(0.5)
      .nullable()
      .default(null)
      .describe(
        'keeps probabilities this far from 0 and 1 in the focal loss, without a gradient beyond; the original has 1e-4; null: as little as float32 needs',
      ),
    initialisation: z
      .enum(['torchvision', 'original'])
      .default('torchvision')
      .describe(
        "first values of pyramid and heads: torchvision's; or the original's, with zero output weights in plain heads and torch's default in heads with a mixture",
      ),
    freeze: z
      .enum(['nothing', 'batch-norm', 'early-stages', 'features', 'trunk'])
      .default('nothing')
      .describe(
        "what training leaves unchanged: batch-norm, the backbone's running statistics; early-stages, also its stem and stages 1 to 3; features, backbone and pyramid; trunk, all but the experts and gates of the heads",
      ),
    mixture: mixtureSchema()
      .nullable()
      .default(null)
      .describe('mixtures of experts in the heads, which route levels of images; null: plain heads'),
    detections: z
      .strictObject({
        score: z.number().min(0).lt(1).default(0.05).describe("a detection's score is above this"),
        iou: part.default(0.5).describe('largest IoU of two detections of a category in an image'),
        maxPerClass: z
          .int()
          .min(1)
          .max(10_000)
          .default(100)
          .describe('detections of a category in an image at most'),
      })
      .prefault({}),
  })
