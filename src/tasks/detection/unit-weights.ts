import { addUnit, emptyClassWeights, preferredClasses } from '../../metrics/preferred-classes.ts'
import type { LayerSummary } from '../../run/events.ts'
import { type DetectorRecords, weightsAt } from './records.ts'

/**
 * Each layer's utilization with the classes that its experts prefer: an object counts with the weights of the level that it
 * is at home on (box → best anchor → level → weights), and objects of one level of one image are one unit.
 *
 * @param classes - names, by label
 */
export function layerSummaries(
  { layers, routing, objects }: Pick<DetectorRecords, 'layers' | 'routing' | 'objects'>,
  classes: readonly string[],
): LayerSummary[] {
  return layers.map((layer, i) => {
    const routed = routing[i]!
    const units = new Map<string, Unit>()
    for (const { image, label, level: own } of objects) {
      if (routed.inputs > 1 && own < 0) continue
      const level = routed.inputs === 1 ? 0 : own
      const key = `${image} ${level}`
      const unit = units.get(key) ?? { image, level, counts: new Map() }
      unit.counts.set(label, (unit.counts.get(label) ?? 0) + 1)
      units.set(key, unit)
    }
    const sums = emptyClassWeights(classes.length, routed.experts)
    for (const { image, level, counts } of units.values())
      addUnit(sums, counts, weightsAt(routed, image, level))
    return { ...layer, preferred: preferredClasses(sums, classes) }
  })
}

/** What is routed as one, and how many objects of each class are in it. */
interface Unit {
  readonly image: number
  readonly level: number
  readonly counts: Map<number, number>
}
