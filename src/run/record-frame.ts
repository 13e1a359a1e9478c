/** TFRecord's framing of TensorBoard's event files (tensorflow/core/lib/io/record_writer.h). */

/** CRC-32C (Castagnoli), polynomial 0x1EDC6F41 with its bits reversed, one byte at a time. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C of the bytes, as an unsigned number (RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/** TFRecord's masking, which keeps a checksum of data that holds checksums from being weak. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** One TFRecord: length (64 bits), its masked checksum, the data, its masked checksum; little-endian. */
export function encodeRecordFrame(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(data.length + 16)
  const view = new DataView(frame.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(frame.subarray(0, 8)), true)
  frame.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc32c(data), true)
  return frame
}

/**
 * The whole records at the beginning of some bytes, each with where it ends; what follows them is truncated or damaged, and is left
 * out.
 */
export function* recordsOf(
  bytes: Uint8Array,
): Generator<{ readonly data: Uint8Array; readonly end: number }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = Number(view.getBigUint64(at, true))
    const end = at + 16 + length
    if (view.getUint32(at + 8, true) !== maskedCrc32c(bytes.subarray(at, at + 8)) || end > bytes.length)
      return
    const data = bytes.subarray(at + 12, at + 12 + length)
    if (view.getUint32(end - 4, true) !== maskedCrc32c(data)) return
    yield { data, end }
    at = end
  }
}
