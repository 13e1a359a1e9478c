/**
 * The text of a file in UTF-8, or in UTF-16 where its byte order mark says so, as PowerShell and Excel write it; without the mark.
 *
 * @param invalid - what bytes of another encoding become: an error, or U+FFFD
 * @throws TypeError for bytes of another encoding
 */
export function decodeText(bytes: Uint8Array, invalid: 'throws' | 'replaced' = 'replaced'): string {
  const [first, second] = bytes
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding, { fatal: invalid === 'throws' }).decode(bytes)
}
