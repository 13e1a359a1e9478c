/** `state.json` of a checkpoint with Node's SHA-256; see `checkpoint-text.ts`. */

import { createHash } from 'node:crypto'
import { type CheckpointRecord, type FileFacts, recordOf, recordText } from './checkpoint-text.ts'

export * from './checkpoint-text.ts'

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
  return recordText(record, sha256)
}

/** The record, or a sentence about the damage. */
export function decodeRecord(text: string): CheckpointRecord | { readonly damage: string } {
  return recordOf(text, sha256)
}
