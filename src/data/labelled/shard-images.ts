import { realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fail, MoietyError } from '../../base/errors.ts'
import { kindOf, reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { JsonReader, type JsonValue, quoted } from '../../files/json-reader.ts'
import { readRegularText, sizeLimits } from '../../files/regular-file.ts'
import { readTarEntry, type TarEntry, tarIndex } from '../../files/tar-index.ts'
import type { OnProgress } from '../dataset.ts'
import { imageEndings } from '../image-names.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import { labelColumn } from '../tables/columns.ts'
import { filesNamed, homeOf, splitsOfFiles } from './container-files.ts'
import { classesOfLabels, type LabelValue, labelValue } from './label-values.ts'
import type { LabelledImage, LabelledImages, ReadOptions } from './labelled-images.ts'

const pattern = /\.(tar|tar\.(gz|bz2|xz|zst)|tgz)$/i

/** Endings of labels, in the order in which they are looked for. */
const labelEndings = ['cls', 'json', 'txt', 'label', 'class'] as const
/** Bytes of a label, and of a JSON with one. */
const mostLabel = 1 << 20

/** Whether a folder has shards of WebDataset, or a file is one: archives with an image and its label, by their first files. */
export async function holdsShards(directory: string): Promise<boolean> {
  const [first] = await filesNamed(directory, pattern)
  if (first === undefined) return false
  // Without other images, the archives are the data, and opening says what is wrong with them.
  if ((await filesNamed(directory, /\.(jpe?g|png)$/i)).length === 0) return true
  try {
    return samplesOf(await tarIndex(first)).some(
      ({ image, label }) => image !== undefined && label !== undefined,
    )
  } catch (cause) {
    if (cause instanceof MoietyError) return false
    rethrowExhausted(cause, 'read', first)
    return false
  }
}

/** Files of one key: `n01/0001.jpg` and `n01/0001.cls`. */
interface Sample {
  readonly image: TarEntry | undefined
  readonly label: TarEntry | undefined
}

/** The files of an archive by their names up to the first dot, as WebDataset has it; later files of the same key belong to it. */
function samplesOf(entries: readonly TarEntry[]): readonly Sample[] {
  const samples = new Map<string, Map<string, TarEntry>>()
  for (const entry of entries) {
    const own = basename(entry.name)
    const dot = own.indexOf('.')
    // Hidden files, and the ._ files of macOS.
    if (dot <= 0) continue
    const key = entry.name.slice(0, entry.name.length - own.length + dot)
    const parts = samples.get(key) ?? new Map<string, TarEntry>()
    samples.set(key, parts.set(own.slice(dot + 1).toLowerCase(), entry))
  }
  const first = (parts: ReadonlyMap<string, TarEntry>, endings: readonly string[]): TarEntry | undefined =>
    endings.flatMap(
      ending => [...parts].find(([own]) => own === ending || own.endsWith(`.${ending}`))?.[1] ?? [],
    )[0]
  return [...samples.values()].map(parts => ({
    image: first(parts, imageEndings),
    label: first(parts, labelEndings),
  }))
}

interface Found {
  readonly image: LabelledImage
  readonly split: SplitName
  readonly label: LabelValue
  readonly where: string
}

/**
 * Images in tar shards of WebDataset, `key.jpg` with `key.cls`, `key.json` or `key.txt`. Only the headers and labels are read now.
 *
 * @throws MoietyError `data` for archives that are damaged or refused, or without labels
 */
export async function readShardImages(
  directory: string,
  { followLinks }: ReadOptions,
  progress?: OnProgress,
): Promise<LabelledImages> {
  const paths = await filesNamed(directory, pattern)
  const packed = paths.find(path => !/\.tar$/i.test(path))
  if (packed !== undefined)
    refuse(
      'expected shards that are not compressed, because images are read from their middle',
      packed,
      'unpack it: gunzip FILE.tar.gz gives FILE.tar',
    )
  const files = await splitsOfFiles(directory, paths, followLinks)
  const root = await realpath(homeOf(directory))
  const found: Found[] = []
  const counts = { shards: 0, without: 0, others: 0 }
  for (const split of splitNames)
    for (const path of files[split] ?? []) {
      for (const { image, label } of samplesOf(await indexOf(path))) {
        if (image === undefined) counts.others++
        else if (label === undefined) counts.without++
        else {
          const where = `${path}/${label.name}`
          const own = await readLabel(path, label, where)
          found.push({
            ...{ split, where, label: own },
            image: {
              path: `${path}/${image.name}`,
              bytes: image.bytes,
              label: 0,
              container: path,
              read: () => readTarEntry(path, image),
            },
          })
        }
      }
      counts.shards++
      progress?.({ done: counts.shards, total: paths.length, what: 'reading shards' })
    }
  if (found.length === 0)
    refuse(
      'expected images with labels of the same name, as 0001.jpg and 0001.cls, found none',
      directory,
      'a shard of WebDataset has a file .cls, .json or .txt with the label of each image; unpack other archives: docs/guide/your-data.md',
    )
  const declared = await declaredClasses(root)
  const { classes, places } = classesOfLabels(
    found.map(({ label }) => label),
    declared,
    at => found[at]!.where,
  )
  const of = (name: SplitName): readonly LabelledImage[] | undefined => {
    const own = found.flatMap(({ image, split }, at) =>
      split === name ? [{ ...image, label: places[at]! }] : [],
    )
    return own.length === 0 ? undefined : own
  }
  return {
    container: homeOf(directory) === directory ? undefined : 'file',
    ...{ classes, hasDeclaredClasses: declared !== undefined },
    ...{ train: of('train') ?? [], val: of('val'), test: of('test') },
    notices: [
      `images are from ${counts.shards} tar ${counts.shards === 1 ? 'shard' : 'shards'}`,
      ...(counts.without > 0 ? [`${counts.without} images without a label are left out`] : []),
      ...(counts.others > 0 ? [`${counts.others} names without an image are left out`] : []),
      ...(files.others.length > 0
        ? [
            `shards of no split, which are left out: ${files.others
              .slice(0, 5)
              .map(path => basename(path))
              .join(', ')}`,
          ]
        : []),
    ],
  }
}

async function indexOf(path: string): Promise<readonly TarEntry[]> {
  return await tarIndex(path).catch((cause: unknown) => {
    if (cause instanceof MoietyError) throw cause
    rethrowExhausted(cause, 'read', path)
    return refuse(`expected an archive that can be read, got: ${reasonOf(cause)}`, path, 'copy it again')
  })
}

async function readLabel(path: string, entry: TarEntry, where: string): Promise<LabelValue> {
  if (entry.bytes > mostLabel)
    refuse(`expected a label of at most ${mostLabel} bytes, found ${entry.bytes}`, where, labelHelp)
  const text = Buffer.from(await readTarEntry(path, entry))
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trim()
  if (/\.json$/i.test(entry.name)) return labelOfJson(text, where)
  if (text === '' || text.length > 1000 || text.includes('\n'))
    refuse(`expected the number or the name of a class, found ${quoted(text)}`, where, labelHelp)
  return /^\d{1,9}$/.test(text) ? Number(text) : text
}

const labelHelp = 'write the class of the image into its .cls file, or as "label" into its .json'

function labelOfJson(text: string, where: string): LabelValue {
  const reader = new JsonReader(text, where)
  const values = new Map<string, JsonValue>()
  reader.object('the description of an image', key => values.set(key, reader.any(key)))
  const key = labelColumn([...values.keys()])
  const label = key === undefined ? undefined : labelValue(values.get(key))
  return (
    label ??
    refuse(
      `expected a "label", found ${[...values.keys()].slice(0, 8).join(', ') || 'nothing'}`,
      where,
      labelHelp,
    )
  )
}

/** The names of classes next to the shards, one a line. */
async function declaredClasses(directory: string): Promise<readonly string[] | undefined> {
  for (const name of ['classes.txt', 'classnames.txt', 'class_names.txt', 'labels.txt']) {
    const path = join(directory, name)
    if (kindOf(path) !== 'file') continue
    const lines = (await readRegularText(path, sizeLimits.names)).replace(/^\ufeff/, '').split(/\r?\n/)
    const names = lines.map(line => line.trim()).filter(line => line !== '')
    const repeated = names.find((one, i) => names.indexOf(one) !== i)
    if (repeated !== undefined)
      refuse(`expected each class once, found ${quoted(repeated)} twice`, path, 'correct the names')
    if (names.length > 0) return names
  }
  return undefined
}

function refuse(message: string, where: string, help: string): never {
  return fail({ kind: 'data', message, where, help })
}
