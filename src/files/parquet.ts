/**
 * Reads columns of Parquet files with hyparquet, a range of rows at a time. A file is not trusted: before a column is decoded, the
 * headers of its pages are looked at, so that a small file that declares huge pages or billions of values is refused instead of
 * filling the memory.
 */
import { decompress as unzstd } from 'fzstd'
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, type RowGroup, snappyUncompress } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { compressors as packaged } from 'hyparquet-compressors'
import { fail, MoietyError } from '../base/errors.ts'
import { readableBytes } from './bytes.ts'
import { reasonOf, rethrowExhausted } from './disk.ts'
import { openRegularFile } from './regular-file.ts'

/** Consecutive rows of a file that are read together. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

/** An open Parquet file: what it has is known, nothing of it is read. */
export interface ParquetFile {
  readonly path: string
  readonly bytes: number
  readonly rows: number
  readonly metadata: FileMetaData
  /** Its row groups. */
  readonly groups: readonly RowRange[]
}

/** Footers that are read, in bytes. */
const mostMetadata = 64e6
/** Rows of one file. */
const mostRows = 50e6
/** Bytes of the columns of one row group, unpacked: they are in memory together. */
const mostGroup = 1 << 30
/** Pages that unpack to less are read in any case; others to so many times their size. */
const freeUnpacking = 64 << 20
const mostRatio = 200
/** Values of a page that take no bytes of their own, as those of one run. */
const freeValues = 4_000_000

const help = 'the file is damaged or not what it seems; copy or download it again'

/**
 * Opens a file: reads its footer.
 *
 * @throws MoietyError `data` for a file that is no Parquet, or is damaged
 */
export async function openParquet(path: string): Promise<ParquetFile> {
  return await guarded(path, async () => {
    const file = await bufferOf(path)
    const end = new DataView(await file.slice(Math.max(0, file.byteLength - 8), file.byteLength))
    if (end.byteLength < 8 || end.getUint32(4, true) !== 0x31524150)
      refuse('expected a Parquet file, which ends with "PAR1"', path)
    if (end.getUint32(0, true) > mostMetadata)
      refuse(`expected a footer of at most ${readableBytes(mostMetadata)}`, path)
    const metadata = await parquetMetadataAsync(file, { geoparquet: false })
    const groups: RowRange[] = []
    let start = 0
    for (const { num_rows } of metadata.row_groups) {
      const count = Number(num_rows)
      if (!(count >= 0) || start + count > mostRows)
        refuse(`expected at most ${mostRows} rows, found ${num_rows} in one row group`, path)
      if (count > 0) groups.push({ start, end: start + count })
      start += count
    }
    if (Number(metadata.num_rows) !== start)
      refuse(`expected ${metadata.num_rows} rows as the footer says, found ${start} in its row groups`, path)
    return { path, bytes: file.byteLength, rows: start, metadata, groups }
  })
}

/**
 * Columns of some rows, as `{ column: value }`. Text is a string, bytes are a Uint8Array, an integer of 64 bits a bigint.
 *
 * @throws MoietyError `data` for damaged or refused content
 */
export async function readParquet(
  { path, metadata }: ParquetFile,
  columns: readonly string[],
  { start, end }: RowRange,
): Promise<readonly Record<string, unknown>[]> {
  return await guarded(path, async () => {
    const file = await bufferOf(path)
    let first = 0
    for (const [at, group] of metadata.row_groups.entries()) {
      const next = first + Number(group.num_rows)
      if (next > start && first < end) await checkPages(file, group, columns, `${path}, row group ${at}`)
      first = next
    }
    const rows = await parquetReadObjects({
      ...{ file, metadata, columns: [...columns], rowStart: start, rowEnd: end },
      ...{ compressors, utf8: false },
    })
    if (rows.length !== end - start)
      refuse(`expected ${end - start} rows from row ${start} on, found ${rows.length}`, path)
    return rows
  })
}

type Buffered = Awaited<ReturnType<typeof bufferOf>>

/** A file of which hyparquet reads parts. */
async function bufferOf(path: string) {
  const handle = await openRegularFile(path)
  const byteLength = (await handle.stat()).size
  await handle.close()
  return {
    byteLength,
    async slice(from: number, to = byteLength): Promise<ArrayBuffer> {
      if (!(from >= 0 && to >= from && to <= byteLength))
        refuse(`expected a part within ${byteLength} bytes, found ${from} … ${to}`, path)
      const file = await openRegularFile(path)
      try {
        const bytes = new Uint8Array(to - from)
        for (let filled = 0; filled < bytes.length; ) {
          const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, from + filled)
          if (bytesRead === 0) refuse('the file ended while it was being read', path)
          filled += bytesRead
        }
        return bytes.buffer
      } finally {
        await file.close()
      }
    },
  }
}

/** Looks at the headers of the pages of some columns of a row group. */
async function checkPages(
  file: Buffered,
  group: RowGroup,
  columns: readonly string[],
  where: string,
): Promise<void> {
  const chunks = group.columns.flatMap(({ meta_data: meta }) =>
    meta !== undefined && columns.includes(meta.path_in_schema[0]!) ? [meta] : [],
  )
  let unpacked = 0
  for (const meta of chunks) {
    const from = Number(meta.dictionary_page_offset || meta.data_page_offset)
    const size = Number(meta.total_compressed_size)
    if (size > mostGroup)
      refuse(`expected at most ${readableBytes(mostGroup)} in a row group, found ${readableBytes(size)}`, where, write)
    const view = new DataView(await file.slice(from, from + size))
    const reader = { view, offset: 0 }
    let values = 0
    while (reader.offset < size - 1 && values < Number(meta.num_values)) {
      const header = parquetHeader(reader)
      const [packed, whole] = [header.compressed_page_size, header.uncompressed_page_size]
      if (!(packed >= 0 && whole >= 0) || reader.offset + packed > size)
        refuse(`expected pages within their column, found one of ${packed} bytes`, where)
      if (whole > Math.max(freeUnpacking, mostRatio * packed))
        refuse(`found a page of ${readableBytes(packed)} that unpacks to ${readableBytes(whole)}`, where)
      const dictionary = header.dictionary_page_header?.num_values ?? 0
      const own = (header.data_page_header ?? header.data_page_header_v2)?.num_values ?? 0
      if (!(own >= 0 && dictionary >= 0) || dictionary > whole || own > Math.max(freeValues, 8 * whole))
        refuse(`found a page of ${readableBytes(whole)} that declares ${Math.max(own, dictionary)} values`, where)
      unpacked += whole
      values += own
      reader.offset += packed
    }
    if (unpacked > mostGroup)
      refuse(`expected at most ${readableBytes(mostGroup)} in a row group, found more`, where, write)
    // Flat columns have a value for each row, or a null.
    if (values !== Number(meta.num_values))
      refuse(`expected ${meta.num_values} values in ${meta.path_in_schema.join('.')}, found ${values}`, where)
  }
}

const write = 'write the file with smaller row groups, as 100 images each (row_group_size of pyarrow)'

/** Unpacking never gives more bytes than the page's header says, which was looked at. */
const compressors = {
  ...packaged,
  SNAPPY: (input: Uint8Array, length: number): Uint8Array => {
    const output = new Uint8Array(length)
    snappyUncompress(input, output)
    return output
  },
  // Into memory of the page's size: by itself it allocates what the content declares.
  ZSTD: (input: Uint8Array, length: number): Uint8Array => unzstd(input, new Uint8Array(length)),
}

async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    rethrowExhausted(cause, 'read', path)
    return refuse(`expected a Parquet file that can be read, got: ${reasonOf(cause)}`, path)
  }
}

function refuse(message: string, where: string, what = help): never {
  return fail({ kind: 'data', message, where, help: what })
}
