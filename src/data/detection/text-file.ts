import { fail } from '../../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { readRegularFile } from '../../files/regular-file.ts'
import { decodeText } from '../../files/text.ts'

/** The content of a text file. */
export interface MarkedText {
  readonly text: string
  /** Whether it began with a byte order mark, which is not part of `text`. */
  readonly hasMark: boolean
}

/** Reads a text file. @throws MoietyError of kind `data` for one that cannot be read or has more than `most` bytes */
export async function readMarkedText(path: string, most: number): Promise<MarkedText> {
  const bytes = await readRegularFile(path, most).catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', path)
    return fail({
      kind: 'data',
      message: `expected a text file that can be read, got: ${reasonOf(cause)}`,
      where: path,
      help: 'check the file',
      cause,
    })
  })
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  // Decoding leaves the mark out. That of UTF-16 is no mistake: without it the text could not be read.
  return { text: decodeText(bytes), hasMark }
}
