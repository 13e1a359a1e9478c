/**
 * Reads columns of Parquet files with hyparquet, a range of rows at a time. A file is not trusted: before a column is decoded, the
 * headers of its pages are checked, so that a small file that declares huge pages or billions of values is refused instead of
 * filling the memory.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { decompress as unzstd } from 'fzstd'
import {
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  type PageHeader,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type RowGroup,
  snappyUncompress,
} from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } from 'hyparquet/src/schema.js'
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
      if (next > start && first < end)
        await checkPages({ file, metadata }, group, columns, `${path}, row group ${at}`)
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

/** Checks the pages of some columns of a row group before hyparquet decodes them. */
async function checkPages(
  { file, metadata }: { readonly file: Buffered; readonly metadata: FileMetaData },
  group: RowGroup,
  columns: readonly string[],
  where: string,
): Promise<void> {
  const tree = parquetSchema(metadata)
  let unpacked = 0
  for (const { meta_data: meta } of group.columns) {
    if (meta === undefined || !columns.includes(meta.path_in_schema[0]!)) continue
    const path = getTreePath(tree, meta.path_in_schema)
    const name = meta.path_in_schema.join('.')
    if (getMaxRepetitionLevel(path) > 0)
      refuse(
        `expected one value a row in ${name}, found lists`,
        where,
        'several labels an image are read from CSV and JSON only: docs/guide/multi-label.md',
      )
    const size = Number(meta.total_compressed_size)
    if (size > mostGroup) refuse(tooLargeGroup, where, write)
    const from = Number(meta.dictionary_page_offset || meta.data_page_offset)
    const reader = { view: new DataView(await file.slice(from, from + size)), offset: 0 }
    const levels = Math.ceil(Math.log2(getMaxDefinitionLevel(path) + 1))
    let values = 0
    while (reader.offset < size - 1 && values < Number(meta.num_values)) {
      const header = parquetHeader(reader)
      values += checkHeader(header, size - reader.offset, where)
      unpacked += header.uncompressed_page_size
      if (unpacked > mostGroup) refuse(tooLargeGroup, where, write)
      const bytes = new Uint8Array(reader.view.buffer, reader.offset, header.compressed_page_size)
      checkRuns(header, bytes, meta, levels, where)
      reader.offset += header.compressed_page_size
    }
    // Columns without lists have a value for each row, or a null.
    if (values !== Number(group.num_rows))
      refuse(`expected ${group.num_rows} values in ${name}, found ${values}`, where)
  }
}

const tooLargeGroup = `expected at most ${readableBytes(mostGroup)} in a row group, found more`

/** @returns how many values the page has; none for a dictionary */
function checkHeader(header: PageHeader, left: number, where: string): number {
  const [packed, whole] = [header.compressed_page_size, header.uncompressed_page_size]
  if (!(packed >= 0 && whole >= 0) || packed > left)
    refuse(`expected pages within their column, found one of ${packed} bytes`, where)
  if (whole > Math.max(freeUnpacking, mostRatio * packed))
    refuse(`found a page of ${readableBytes(packed)} that unpacks to ${readableBytes(whole)}`, where)
  const dictionary = header.dictionary_page_header?.num_values ?? 0
  const page = header.data_page_header ?? header.data_page_header_v2
  const own = page?.num_values ?? 0
  if (!(own >= 0 && dictionary >= 0) || dictionary > whole || own > Math.max(freeValues, 8 * whole))
    refuse(`found a page of ${readableBytes(whole)} that declares ${Math.max(own, dictionary)} values`, where)
  // Others may declare counts within their values.
  if (page !== undefined && !['PLAIN', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY', 'RLE'].includes(page.encoding))
    refuse(
      `expected pages in plain or dictionary encoding, found ${page.encoding}`,
      where,
      'write the file again, with use_dictionary of pyarrow',
    )
  return own
}

/** Checks the runs of equal values in a page: their lengths, which hyparquet believes. */
function checkRuns(
  header: PageHeader,
  packed: Uint8Array,
  { codec }: ColumnMetaData,
  levels: number,
  where: string,
): void {
  const unpack = (bytes: Uint8Array, length: number): Uint8Array =>
    codec === 'UNCOMPRESSED' ? bytes : (compressors[codec]?.(bytes, length) ?? bytes)
  const { data_page_header: v1, data_page_header_v2: v2 } = header
  const page = v1 ?? v2
  if (page === undefined) return
  let values = packed
  if (v1 !== undefined) {
    values = unpack(packed, header.uncompressed_page_size)
    if (levels > 0) {
      const length =
        values.length < 4 ? -1 : new DataView(values.buffer, values.byteOffset).getUint32(0, true)
      if (length < 0 || length > values.length - 4) refuse('expected levels within their page', where)
      checkLengths(values.subarray(4, 4 + length), levels, page.num_values, where)
      values = values.subarray(4 + length)
    }
  } else if (v2 !== undefined) {
    const [repeats, length] = [v2.repetition_levels_byte_length, v2.definition_levels_byte_length]
    if (
      repeats !== 0 ||
      !(length >= 0 && length <= packed.length) ||
      !(v2.num_nulls >= 0 && v2.num_nulls <= v2.num_values)
    )
      refuse('expected levels within their page', where)
    if (levels > 0) checkLengths(packed.subarray(0, length), levels, page.num_values, where)
    const whole = header.uncompressed_page_size - length
    values = packed.subarray(length)
    if (v2.is_compressed !== false) values = unpack(values, whole)
  }
  if (page.encoding === 'PLAIN') return
  if (page.encoding === 'RLE') checkLengths(values.subarray(4), 1, page.num_values, where)
  else if (values.length > 0) checkLengths(values.subarray(1), values[0]!, page.num_values, where)
}

/** Runs of a hybrid of run lengths and packed bits (Parquet's Encodings.md, RLE = 3): in all about as many values as there are. */
function checkLengths(bytes: Uint8Array, width: number, count: number, where: string): void {
  if (width > 32) refuse(`expected values of at most 32 bits, found ${width}`, where)
  let at = 0
  for (let seen = 0; seen < count && at < bytes.length; ) {
    let run = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0
      run += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80 || shift > 35) break
    }
    const half = Math.floor(run / 2)
    const own = run % 2 === 1 ? 8 * half : half
    at += run % 2 === 1 ? half * width : Math.ceil(width / 8)
    // The last group of packed bits is filled up.
    if (own > count - seen + 7) refuse(`found a run of ${own} values in a page of ${count}`, where)
    seen += own
  }
}

const write = 'write the file with smaller row groups, as 100 images each (row_group_size of pyarrow)'

/** Unpacking never gives more bytes than the page's header says, which was checked. */
const compressors: Compressors = {
  LZ4: packaged.LZ4!,
  LZ4_RAW: packaged.LZ4_RAW!,
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
  SNAPPY: (input, length) => {
    const output = new Uint8Array(length)
    snappyUncompress(input, output)
    return output
  },
  // Into memory of the page's size: by itself it allocates what the content declares.
  ZSTD: (input, length) => unzstd(input, new Uint8Array(length)),
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
