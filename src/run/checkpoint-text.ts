/**
 * `state.json` of a checkpoint: the training's position, and the length and SHA-256 of the other two files. The
 * record is itself covered by a checksum on its last line, so every bit of a checkpoint is covered.
 *
 * Whoever calls brings the SHA-256, so that checkpoints are written and read in browsers too.
 */

import * as z from 'zod'
import { canonicalJson, type Json } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'

/** Raised whenever the meaning of a checkpoint's files changes. */
export const checkpointFormat = 1

const count = z.int().nonnegative()
const fileFacts = z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })

const recordSchema = z.strictObject({
  format: z.literal(checkpointFormat),
  moiety: z.string(),
  step: count,
  epoch: count,
  batch: count,
  config: z.string(),
  files: z.strictObject({ 'model.safetensors': fileFacts, 'optimizer.safetensors': fileFacts }),
  extra: z.json(),
})

/** What is known of a file. */
export interface FileFacts {
  readonly bytes: number
  /** Lower-case hexadecimal. */
  readonly sha256: string
}

/** The files of a checkpoint besides `state.json`. */
export const stateFiles = ['model.safetensors', 'optimizer.safetensors'] as const
/** See {@link stateFiles}. */
export type StateFile = (typeof stateFiles)[number]

/** What `state.json` says. */
export interface CheckpointRecord {
  readonly format: typeof checkpointFormat
  /** The version of Moiety that wrote it. */
  readonly moiety: string
  /** Training steps done. */
  readonly step: number
  /** The epoch in which training resumes, and how many of its batches are done. */
  readonly epoch: number
  readonly batch: number
  /** The hash of the configuration that training ran with. */
  readonly config: string
  readonly files: Readonly<Record<StateFile, FileFacts>>
  readonly extra: Json
}

/** The SHA-256 of some bytes or of a text in UTF-8, in lower-case hexadecimal. */
export type Sha256 = (content: Uint8Array | string) => string

/** The name of the checkpoint after a step. */
export function nameOf(step: number): string {
  return `step-${String(step).padStart(6, '0')}`
}

/** The text whose SHA-256 is a configuration's in a checkpoint; the order of its keys does not matter. */
export function hashedText(config: object): string {
  const written: Json = JSON.parse(JSON.stringify(config))
  return canonicalJson(written)
}

/** The bytes of `state.json`; they depend only on the record. */
export function recordText(record: CheckpointRecord, sha256: Sha256): string {
  const body = JSON.stringify(record, null, 2).slice(0, -2)
  return `${body},\n  "sha256": "${sha256(body)}"\n}\n`
}

/** The record, or a sentence about the damage. */
export function recordOf(text: string, sha256: Sha256): CheckpointRecord | { readonly damage: string } {
  const ending = /,\n {2}"sha256": "([0-9a-f]{64})"\n\}\n$/.exec(text)
  if (ending === null) return { damage: 'it does not end with its checksum' }
  const body = text.slice(0, ending.index)
  if (sha256(body) !== ending[1]) return { damage: 'its checksum does not match its content' }
  const value: unknown = JSON.parse(`${body}\n}`)
  if (isTooDeep(value)) return { damage: 'it is nested too deeply' }
  const record = recordSchema.safeParse(value)
  if (record.success) return record.data
  const format = z.object({ format: z.number() }).safeParse(value)
  if (format.success && format.data.format !== checkpointFormat) {
    return {
      damage: `it has the format ${format.data.format}, this version of Moiety reads ${checkpointFormat}`,
    }
  }
  return { damage: z.prettifyError(record.error) }
}
