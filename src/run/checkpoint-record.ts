/**
 * `state.json` of a checkpoint: the training's position, and the length and SHA-256 of the other two files. The
 * record is itself covered by a checksum on its last line, so every bit of a checkpoint is covered.
 */

import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { Json } from '../files/json.ts'
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

export interface FileFacts {
  readonly bytes: number
  /** Lower-case hexadecimal. */
  readonly sha256: string
}

/** The files of a checkpoint besides `state.json`. */
export const stateFiles = ['model.safetensors', 'optimizer.safetensors'] as const
export type StateFile = (typeof stateFiles)[number]

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

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Hash of a file that is the concatenation of these parts. */
export function factsOf(parts: readonly Uint8Array[]): FileFacts {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return { bytes: parts.reduce((total, part) => total + part.length, 0), sha256: hash.digest('hex') }
}

/** The bytes of `state.json`; they depend only on the record. */
export function encodeRecord(record: CheckpointRecord): string {
  const body = JSON.stringify(record, null, 2).slice(0, -2)
  return `${body},\n  "sha256": "${sha256(body)}"\n}\n`
}

/** The record, or a sentence about the damage. */
export function decodeRecord(text: string): CheckpointRecord | { readonly damage: string } {
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
