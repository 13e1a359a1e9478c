import { extract, list, type ReadEntry } from 'tar'
import { fail, MoietyError } from '../base/errors.ts'

/** Entries of an archive that are written; everything else that could name a place elsewhere is refused. */
const written = new Set(['File', 'OldFile', 'ContiguousFile', 'Directory'])

/** An archive that unfolds to more than this multiple of its own size is a bomb; CIFAR's unfold to 1.1 times. */
const mostUnfolding = 20

/**
 * Unpacks a `.tar.gz` into an existing folder, after reading all of it once without writing anything.
 *
 * @param most - bytes that all files together may have
 * @throws MoietyError of kind `data` for a damaged archive, for a name that is absolute or climbs out of the
 *   folder, for a link or any other special entry, and for more than `most` bytes; nothing is written then
 */
export async function unpackTarGz(archive: string, folder: string, most: number): Promise<void> {
  let bytes = 0
  let refusal: string | undefined
  await reading(archive, () =>
    list({
      file: archive,
      strict: true,
      maxDecompressionRatio: mostUnfolding,
      onReadEntry: entry => {
        bytes += entry.size
        refusal ??=
          reasonToRefuse(entry) ?? (bytes > most ? `more than ${most} bytes when unpacked` : undefined)
      },
    }),
  )
  if (refusal !== undefined) refuse(archive, refusal)
  await reading(archive, () =>
    extract({ file: archive, cwd: folder, strict: true, maxDecompressionRatio: mostUnfolding }),
  )
}

function reasonToRefuse({ path, type }: ReadEntry): string | undefined {
  if (!written.has(type)) return `${path}, which is no file but a ${type}`
  if (/^([/\\]|[A-Za-z]:)/.test(path)) return `the absolute name ${path}`
  if (path.split(/[/\\]/).includes('..')) return `the name ${path}, which climbs out of the folder`
  return undefined
}

async function reading(archive: string, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    refuse(archive, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

function refuse(archive: string, found: string, cause?: unknown): never {
  fail({
    kind: 'data',
    message: `expected a complete archive of plain files, found ${found}`,
    where: archive,
    help: 'the archive is damaged or is not what it should be; delete it and download it again',
    cause,
  })
}
