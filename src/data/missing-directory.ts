import { fail } from '../base/errors.ts'
import type { DataName } from './data-names.ts'

/** The part of a configuration's `data` that says where the images are. */
export interface DataPlace {
  readonly name: DataName
  readonly directory?: string | null | undefined
  /** Files of annotations, named one by one. */
  readonly annotations?: { readonly train: string | null } | null | undefined
}

/** Refuses a configuration that names neither a folder nor files. @throws MoietyError `usage` */
export function needPlace(place: DataPlace): void {
  if ((place.annotations?.train ?? null) === null) needDirectory(place)
}

/** The folder of a data set that is read from one. @throws MoietyError `usage` where none is named */
export function needDirectory({ name, directory }: DataPlace): string {
  if (directory !== undefined && directory !== null) return directory
  const fetched = `\`moiety data get ${name} --to DIR\` fetches it; then add --data DIR`
  const [held, help] = ofFolders[name] ?? [name, fetched]
  return fail({
    kind: 'usage',
    message: `expected the folder of ${held}, got none`,
    where: 'data.directory',
    help,
  })
}

const boxes = [
  'annotations and images',
  'add --data DIR, with annotations and images (docs/detection-data.md)',
] as const

/** What the folder of a data set that cannot be fetched has, and how to give it. */
const ofFolders: Partial<Record<DataName, readonly [held: string, help: string]>> = {
  folder: ['the images', 'add --data DIR, with one folder a class in it'],
  'multi-label': [
    'the labels',
    'add --data DIR, with labels.csv, labels.json or labels.jsonl in it (docs/multi-label.md)',
  ],
  coco: boxes,
  boxes,
}
