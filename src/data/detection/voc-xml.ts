import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { fail } from '../../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { isJsonObject } from '../../files/json.ts'
import { readRegularFile, sizeLimits } from '../../files/regular-file.ts'

/** One object of an annotation file of Pascal VOC, as written. */
export interface VocObject {
  readonly name: string
  /** xmin, ymin, xmax, ymax; undefined where they are not four numbers. */
  readonly corners: readonly [number, number, number, number] | undefined
  readonly difficult: boolean
}

/** An annotation file of Pascal VOC. */
export interface VocFile {
  readonly filename: string | undefined
  /** In pixels; null where the file does not say it, or says 0. */
  readonly width: number | null
  readonly height: number | null
  readonly objects: readonly VocObject[]
}

// Values stay text. Without a document type, which is refused, there are no entities but XML's own five.
const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false, maxNestedTags: 50 })

/**
 * Reads an annotation file of Pascal VOC.
 *
 * @throws MoietyError of kind `data` for XML that is damaged, too large or too deep, or has a document type, through which entities
 *   could fill the memory or read other files
 */
export async function readVocXml(file: string): Promise<VocFile> {
  const text = await textOf(file)
  if (/<!(DOCTYPE|ENTITY)/i.test(text))
    refuse(file, 'an annotation without a document type, got one with <!DOCTYPE or <!ENTITY')
  let content: unknown
  try {
    const valid = XMLValidator.validate(text)
    if (valid !== true) throw new Error(`${valid.err.msg} (line ${valid.err.line})`)
    content = parser.parse(text)
  } catch (cause) {
    return refuse(file, `an XML file, got: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  const annotation = member(content, 'annotation')
  if (!isJsonObject(annotation)) return refuse(file, 'the element annotation, found none')
  const size = member(annotation, 'size')
  const objects = member(annotation, 'object')
  const list = objects === undefined ? [] : Array.isArray(objects) ? objects : [objects]
  return {
    filename: textIn(annotation, 'filename'),
    width: extentIn(size, 'width'),
    height: extentIn(size, 'height'),
    objects: list.map((object: unknown) => objectOf(object, file)),
  }
}

async function textOf(file: string): Promise<string> {
  const bytes = await readRegularFile(file, sizeLimits.imageLabels).catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', file)
    return refuse(file, `an XML file that can be read, got: ${reasonOf(cause)}`, cause)
  })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // Old tools write the encoding of their system.
    return new TextDecoder('latin1').decode(bytes)
  }
}

function objectOf(object: unknown, file: string): VocObject {
  const name = textIn(object, 'name')
  if (name === undefined) refuse(file, 'objects with a name, got one without')
  const box = member(object, 'bndbox')
  const [x1, y1, x2, y2] = ['xmin', 'ymin', 'xmax', 'ymax'].map(key => Number(textIn(box, key) ?? Number.NaN))
  const isBox = [x1!, y1!, x2!, y2!].every(Number.isFinite)
  return {
    name,
    corners: isBox ? [x1!, y1!, x2!, y2!] : undefined,
    difficult: textIn(object, 'difficult') === '1',
  }
}

function member(value: unknown, key: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

function textIn(value: unknown, key: string): string | undefined {
  const found = member(value, key)
  const first: unknown = Array.isArray(found) ? found[0] : found
  return typeof first === 'string' && first.trim() !== '' ? first.trim() : undefined
}

function extentIn(size: unknown, key: string): number | null {
  const extent = Number(textIn(size, key) ?? Number.NaN)
  return Number.isSafeInteger(extent) && extent > 0 ? extent : null
}

function refuse(file: string, expected: string, cause?: unknown): never {
  return fail({
    kind: 'data',
    message: `expected ${expected}`,
    where: file,
    help: 'correct the file or remove it; annotations of Pascal VOC are plain XML',
    cause,
  })
}
