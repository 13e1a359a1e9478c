import type { LayerSummary } from '../../run/events.ts'
import { addWeights, emptyClassWeights, preferredClasses } from '../preference.ts'
import { type DetectorRecords, weightsAt } from './records.ts'

/**
 * Each layer's utilisation with the classes that its experts prefer: an object counts with the weights of the level that it
 * is at home on (box → best anchor → level → weights).
 *
 * @param classes - names, by label
 */
export function layerSummaries(
  { layers, routing, objects }: Pick<DetectorRecords, 'layers' | 'routing' | 'objects'>,
  classes: readonly string[],
): LayerSummary[] {
  return layers.map((layer, i) => {
    const routed = routing[i]!
    const sums = emptyClassWeights(classes.length, routed.experts)
    for (const { image, label, level } of objects)
      if (routed.inputs === 1 || level >= 0)
        addWeights(sums, BigInt64Array.of(BigInt(label)), weightsAt(routed, image, level))
    return { ...layer, preferred: preferredClasses(sums, classes) }
  })
}
