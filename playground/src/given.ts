import { isImageName } from 'moiety/step'
import type { GivenFile } from './dropped.ts'
import { unpacked } from './training/archive.ts'
import { type Files, isRun, neededFiles, type OpenedRun, openRun } from './training/run-files.ts'

/** What visitors give: a run, an image to look at, or images to train on. */
export type Given =
  | { readonly kind: 'run'; readonly run: OpenedRun }
  /** @param others - whether there were more, too few to train on */
  | { readonly kind: 'image'; readonly file: File; readonly path: string; readonly others: boolean }
  | { readonly kind: 'images' }

/** Loose images from this number on are a data set. */
const fewestImages = 10

/**
 * What files are.
 *
 * @param given - at least one
 * @throws MoietyError for a damaged archive or run
 */
export async function recognise(given: readonly GivenFile[]): Promise<Given> {
  const [only] = given
  if (only !== undefined && given.length === 1 && /\.zip$/i.test(only.path))
    return { kind: 'run', run: openRun(unpacked(new Uint8Array(await only.file.arrayBuffer()), only.path)) }
  const byPath = new Map(given.map(({ path, file }) => [path, file]))
  if (isRun(byPath)) return { kind: 'run', run: openRun(await readAll(byPath)) }
  const areLoose = given.every(({ path }) => !path.includes('/'))
  const images = given.filter(({ path }) => isImageName(path))
  const first = images[0] ?? only
  return areLoose && images.length < fewestImages && first !== undefined
    ? { kind: 'image', ...first, others: images.length > 1 }
    : { kind: 'images' }
}

/** The files of a run that are needed, read. */
async function readAll(byPath: ReadonlyMap<string, File>): Promise<Files> {
  const read = neededFiles([...byPath.keys()]).map(
    async path => [path, new Uint8Array(await byPath.get(path)!.arrayBuffer())] as const,
  )
  return new Map(await Promise.all(read))
}
