import type { SplitName } from '../../data/index.ts'
import type { Task } from '../../tasks/task.ts'
import type { Progress } from '../analysed.ts'
import type { Attribute } from './attribute.ts'
import { type ImageMeasures, imageAttributes, measureImage } from './image-attributes.ts'

/** Images in memory together. */
const batch = 64

/** Colour, brightness and texture of the images of a split; none of a task that has no pictures. */
export async function measuredAttributes(
  task: Task,
  split: SplitName,
  images: number,
  onProgress: Progress,
): Promise<Attribute[]> {
  if (task.pictures === undefined) return []
  const measures: ImageMeasures[] = []
  for (let first = 0; first < images; first += batch) {
    onProgress('measuring images', first, images)
    const numbers = Array.from({ length: Math.min(batch, images - first) }, (_, at) => first + at)
    for (const picture of await task.pictures(split, numbers)) measures.push(measureImage(picture))
  }
  return imageAttributes(measures)
}
