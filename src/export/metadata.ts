import * as z from 'zod'
import { fail } from '../base/errors.ts'

/**
 * The metadata of an exported file: its `metadata_props`, pairs of text. Lists and objects are JSON. Shared by the
 * writer and the reader; without Node, for use in browsers.
 */

/** The metadata of an exported file. Unknown values have no key. */
export interface ModelMetadata {
  readonly moiety_version: string
  /** Missing in files of versions without detectors: they classify. */
  readonly task: 'image-classification' | 'multi-label-image-classification' | 'object-detection'
  readonly recipe: string
  /** Training steps of the checkpoint. */
  readonly step: number
  readonly routing: 'sparse' | 'dense'
  readonly input: {
    readonly name: string
    readonly dtype: 'float32' | 'uint8'
    readonly layout: 'NCHW' | 'NHWC'
    /** Height and width in pixels; of a detector's canvas, the longest side that an image on it has. */
    readonly size: number
    /** Height and width of a detector's canvas, in pixels. */
    readonly canvas?: readonly [height: number, width: number] | undefined
    /** Batch size; null: any. */
    readonly batch: number | null
  }
  readonly normalisation?:
    | {
        /** Of pixel / 255, for red, green and blue. */
        readonly mean: readonly [number, number, number]
        readonly std: readonly [number, number, number]
        /** Whether the model normalises its input. Otherwise the input must be (pixel / 255 − mean) / std. */
        readonly inside: boolean
      }
    | undefined
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  readonly superclasses?: readonly string[] | undefined
  /** By label, the superclass of each class. */
  readonly superclass_of?: readonly number[] | undefined
  /** Of a detector. */
  readonly detection?:
    | {
        /** The classes' ids in annotation and results files, by label. */
        readonly category_ids: readonly number[]
        /** What COCO's size limits, 32 and 96 pixels, are multiplied by. */
        readonly size_factor: number
        /** Maximum pixels of an image's longer and shorter side; it is scaled until one is reached. */
        readonly longest: number
        readonly shortest: number
        /** Reported detections: scores above, overlaps up to, and a maximum per class and image. */
        readonly score: number
        readonly iou: number
        readonly max_per_class: number
      }
    | undefined
  /** The mixtures of experts, in order. */
  readonly layers: readonly {
    /** For example `layer4`. */
    readonly name: string
    /** The output with the weights [N, E], for example `layer4.weights`; [N, levels, E] in a detector's head. */
    readonly output: string
    /** 0 the stem, 1 to 4 the stages; null in a detector's heads and in a network of the user's own. */
    readonly position: number | null
    /** Number of levels of an image that a detector's head routes independently. */
    readonly levels?: number | undefined
    /** Null in a network of the user's own, like `weighting`. */
    readonly style: string | null
    readonly experts: number
    readonly k: number
    readonly weighting: string | null
    readonly constraint: string
  }[]
  /** By layer, a caption of each expert's specialization; null without a caption. */
  readonly captions: Readonly<Record<string, readonly (string | null)[]>>
  /** On held-out images, from 0 to 1. */
  readonly accuracy?: { readonly top1: number; readonly top5: number } | undefined
  /** COCO's twelve numbers on held-out images, from 0 to 1, null if there was nothing to measure. */
  readonly coco_metrics?: Readonly<Record<string, number | null>> | undefined
  /** What other tasks are measured by on held-out images, by name, from 0 to 1. */
  readonly measures?: Readonly<Record<string, number | null>> | undefined
  /** The configuration of the run, which `resolveConfig` reads; of each path in it only the last name. */
  readonly config: unknown
}

const perChannel = z.tuple([z.number(), z.number(), z.number()])

/** How each key is written. */
const properties = z.object({
  moiety_version: z.string(),
  task: z
    .enum(['image-classification', 'multi-label-image-classification', 'object-detection'])
    .default('image-classification'),
  recipe: z.string(),
  step: json(z.number()),
  routing: z.enum(['sparse', 'dense']),
  input: json(
    z.object({
      name: z.string(),
      dtype: z.enum(['float32', 'uint8']),
      layout: z.enum(['NCHW', 'NHWC']),
      size: z.number(),
      canvas: z.tuple([z.number(), z.number()]).optional(),
      batch: z.number().nullable(),
    }),
  ),
  normalisation: json(z.object({ mean: perChannel, std: perChannel, inside: z.boolean() })).optional(),
  classes: json(z.array(z.string())),
  superclasses: json(z.array(z.string())).optional(),
  superclass_of: json(z.array(z.number())).optional(),
  detection: json(
    z.object({
      category_ids: z.array(z.number()),
      size_factor: z.number(),
      longest: z.number(),
      shortest: z.number(),
      score: z.number(),
      iou: z.number(),
      max_per_class: z.number(),
    }),
  ).optional(),
  layers: json(
    z.array(
      z.object({
        name: z.string(),
        output: z.string(),
        position: z.number().nullable(),
        levels: z.number().optional(),
        style: z.string().nullable(),
        experts: z.number(),
        k: z.number(),
        weighting: z.string().nullable(),
        constraint: z.string(),
      }),
    ),
  ),
  captions: json(z.record(z.string(), z.array(z.string().nullable()))),
  accuracy: json(z.object({ top1: z.number(), top5: z.number() })).optional(),
  coco_metrics: json(z.record(z.string(), z.number().nullable())).optional(),
  measures: json(z.record(z.string(), z.number().nullable())).optional(),
  config: json(z.json()),
})

/** The metadata as the pairs of text that the file carries. */
export function encodeMetadata(metadata: ModelMetadata): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  )
}

/**
 * The metadata of a file, from its pairs of text.
 *
 * @throws MoietyError (data) for a file not written by `moiety export`
 */
export function decodeMetadata(pairs: Readonly<Record<string, string>>, source: string): ModelMetadata {
  const found = properties.safeParse(pairs)
  if (found.success) return found.data
  const issue = found.error.issues[0]
  return fail({
    kind: 'data',
    message: `${source} has no metadata of Moiety: ${issue?.message}`,
    where: `${source}, metadata ${issue?.path.join('.')}`,
    help: 'pass a file written by moiety export',
  })
}

/** Text that holds JSON of a certain form. */
function json<T extends z.ZodType>(form: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue({ code: 'custom', message: 'it is not JSON' })
        return z.NEVER
      }
    })
    .pipe(form)
}
