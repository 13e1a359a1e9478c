import { unzipSync, zipSync } from 'fflate'
import { MoietyError } from 'moiety/step'
import type { Files } from './run-files.ts'

/** Most bytes that an archive may unpack to. */
const mostBytes = 2 ** 30

/** A zip archive with the files in one folder. */
export function packed(files: Files, folder: string): Uint8Array {
  return zipSync(Object.fromEntries([...files].map(([path, bytes]) => [`${folder}/${path}`, bytes])), {
    level: 1,
  })
}

/** The files of a zip archive. @throws MoietyError for what is none, or is too large */
export function unpacked(bytes: Uint8Array, name: string): Files {
  let total = 0
  try {
    const files = unzipSync(bytes, {
      filter: ({ originalSize }) => {
        total += originalSize
        if (total > mostBytes) throw new Error(`it unpacks to more than ${mostBytes} bytes`)
        return true
      },
    })
    return new Map(Object.entries(files))
  } catch (cause) {
    throw new MoietyError({
      kind: 'data',
      message: `${name} cannot be unpacked: ${cause instanceof Error ? cause.message : String(cause)}`,
      help: 'drop the archive that "Export" gave, or the unpacked folder',
    })
  }
}
