import { basename, join } from 'node:path'
import { parquetSchema } from 'hyparquet'
import { parse } from 'yaml'
import { reasonOf } from '../../files/disk.ts'
import type { ParquetFile } from '../../files/parquet.ts'
import { readRegularText } from '../../files/regular-file.ts'
import { labelColumn, pathColumn } from '../tables/columns.ts'

/** Which columns of Parquet files are images and labels. */
export interface ParquetColumns {
  readonly image: string
  /** Whether images are in the file, or their paths. */
  readonly isPath: boolean
  readonly label: string
  /** Names of the classes, where the data says them. */
  readonly classes: readonly string[] | undefined
  /** A column of superclasses. */
  readonly coarse: string | undefined
  readonly superclasses: readonly string[] | undefined
  readonly others: readonly string[]
}

/** A column as Hugging Face's `datasets` describes it. */
interface Feature {
  readonly kind: string
  readonly names: readonly string[] | undefined
}

type Features = ReadonlyMap<string, Feature>

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The columns of a file; undefined where it has no images or no labels. */
export async function parquetColumns(
  file: ParquetFile,
  directory: string,
): Promise<ParquetColumns | undefined> {
  const own = ownFeatures(file)
  const features = own.size > 0 ? own : await describedFeatures(directory)
  const tree = parquetSchema(file.metadata).children
  const names = tree.map(({ element }) => element.name)
  const structs = tree.filter(({ children }) => children.some(({ element }) => element.name === 'bytes'))
  const binary = tree.filter(
    ({ element }) =>
      element.type === 'BYTE_ARRAY' &&
      element.converted_type !== 'UTF8' &&
      element.logical_type?.type !== 'STRING',
  )
  const holding = [...structs, ...binary].map(({ element }) => element.name)
  const image =
    holding.find(name => features.get(name)?.kind === 'Image') ??
    pathColumn(holding, []) ??
    structs[0]?.element.name
  const path = pathColumn(
    tree
      .filter(({ element, children }) => element.type === 'BYTE_ARRAY' && children.length === 0)
      .map(({ element }) => element.name),
    [],
  )
  const classLabels = names.filter(name => features.get(name)?.kind === 'ClassLabel')
  const coarse =
    classLabels.length > 1 || names.includes('fine_label')
      ? names.find(name => /^(coarse|super)_?(label|class)$/i.test(name))
      : undefined
  const candidates = names.filter(name => name !== image && name !== coarse)
  const label =
    labelColumn(classLabels.filter(name => name !== coarse)) ??
    classLabels.find(name => name !== coarse) ??
    labelColumn(candidates)
  const chosen = image ?? path
  if (chosen === undefined || label === undefined || chosen === label) return undefined
  return {
    ...{ image: chosen, isPath: image === undefined, label, coarse },
    classes: features.get(label)?.names,
    superclasses: coarse === undefined ? undefined : features.get(coarse)?.names,
    others: names.filter(name => ![chosen, label, coarse].includes(name)),
  }
}

/** Of the schema's metadata, which `datasets` writes. */
function ownFeatures({ metadata }: ParquetFile): Features {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text)
    return isRecord(value) && isRecord(value.info) ? featuresOf(value.info.features) : new Map()
  } catch {
    // Not what is expected there: as if it were absent.
    return new Map()
  }
}

function featuresOf(value: unknown): Features {
  if (!isRecord(value)) return new Map()
  return new Map(
    Object.entries(value).flatMap(([name, feature]) =>
      isRecord(feature) && typeof feature._type === 'string'
        ? [[name, { kind: feature._type, names: namesOf(feature.names) }] as const]
        : [],
    ),
  )
}

function namesOf(value: unknown): readonly string[] | undefined {
  const names = Array.isArray(value) ? value : isRecord(value) ? inPlaces(value) : undefined
  const isNames = names?.every(name => typeof name === 'string' || typeof name === 'number') === true
  return isNames && new Set(names.map(String)).size === names.length ? names.map(String) : undefined
}

/** `{ '0': 'cat', '1': 'dog' }`. */
function inPlaces(value: Readonly<Record<string, unknown>>): unknown[] | undefined {
  const names = Object.keys(value).map((_, place) => value[place])
  return names.includes(undefined) ? undefined : names
}

const mostText = 4e6

/** Of the dataset card, README.md with YAML at its beginning, or `dataset_infos.json`. */
async function describedFeatures(directory: string): Promise<Features> {
  for (const [name, read] of [
    ['README.md', featuresOfCard],
    ['dataset_infos.json', featuresOfInfos],
    ['dataset_info.json', (text: string) => featuresOf(JSON.parse(text).features)],
  ] as const) {
    try {
      const features = read(await readRegularText(join(directory, name), mostText), directory)
      if (features.size > 0) return features
    } catch (cause) {
      // Without a description classes are numbers; a damaged one says no more.
      reasonOf(cause)
    }
  }
  return new Map()
}

/** `dataset_info: { features: [{ name: label, dtype: { class_label: { names: { '0': cat } } } }] }`, or a list of such. */
function featuresOfCard(text: string, directory: string): Features {
  const [, front = ''] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text) ?? []
  const card: unknown = parse(front, { maxAliasCount: 100 })
  const infos = isRecord(card) ? [card.dataset_info].flat().filter(isRecord) : []
  const info = infos.find(({ config_name: name }) => name === basename(directory)) ?? infos[0]
  const list = Array.isArray(info?.features) ? info.features.filter(isRecord) : []
  return new Map(
    list.flatMap(({ name, dtype }): [string, Feature][] => {
      if (typeof name !== 'string') return []
      if (dtype === 'image') return [[name, { kind: 'Image', names: undefined }]]
      const label = isRecord(dtype) ? dtype.class_label : undefined
      return isRecord(label) ? [[name, { kind: 'ClassLabel', names: namesOf(label.names) }]] : []
    }),
  )
}

function featuresOfInfos(text: string, directory: string): Features {
  const infos: unknown = JSON.parse(text)
  if (!isRecord(infos)) return new Map()
  const info = infos[basename(directory)] ?? Object.values(infos)[0]
  return isRecord(info) ? featuresOf(info.features) : new Map()
}
