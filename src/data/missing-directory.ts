import { fail } from '../base/errors.ts'
import { builtInDataset, type DataName } from './datasets/registry.ts'

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
  const { holds, help } = builtInDataset(name)?.folder ?? { holds: name, help: fetched }
  return fail({
    kind: 'usage',
    message: `expected the folder of ${holds}, got none`,
    where: 'data.directory',
    help,
  })
}
