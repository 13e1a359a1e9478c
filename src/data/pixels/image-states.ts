import { createHash } from 'node:crypto'
import type { OnProgress } from '../dataset.ts'
import type { ImageFile } from '../image-files.ts'
import { scan } from './scan.ts'

/**
 * Four numbers for each image: size of its file, times of modification and change, number in the file system. NaN where there is no
 * file that says whether the image is the same.
 */
export type ImageStates = Float64Array

/**
 * The states of images. Of a part of a file, its place in the file is a part of its state.
 *
 * @throws MoietyError `disk` where the system runs out of something
 */
export async function statesOf(
  files: readonly ImageFile[],
  progress: OnProgress | undefined,
): Promise<ImageStates> {
  const own = files.map(({ path, read, container }) => (read === undefined ? path : container))
  const paths = [...new Set(own.filter(path => path !== undefined))]
  const found = await scan(paths, 'nothing', 'looking at files', progress)
  if (paths.length === files.length && files.every(({ read }) => read === undefined)) return found.states
  const placeOf = new Map(paths.map((path, place) => [path, place]))
  const states = new Float64Array(4 * files.length).fill(Number.NaN)
  for (const [image, { path, read }] of files.entries()) {
    const place = own[image] === undefined ? undefined : placeOf.get(own[image])!
    if (place === undefined) continue
    states.set(found.states.subarray(4 * place, 4 * place + 4), 4 * image)
    if (read !== undefined) states[4 * image + 3] = placeNumber(found.states[4 * place + 3]!, path)
  }
  return states
}

function placeNumber(file: number, path: string): number {
  return createHash('sha256').update(`${file} ${path}`).digest().readUIntLE(0, 6)
}
