import type { LayerRecords } from './routing-records.ts'

/**
 * Which experts are chosen together (METHOD.md §6.6): the share of images that chose both, [E][E]; the diagonal is the share
 * that chose the one. If experts were chosen independently and evenly, each pair would have K(K−1) / E(E−1).
 */
export function coactivationOf({ experts, weights }: Pick<LayerRecords, 'experts' | 'weights'>): number[][] {
  const images = weights.length / experts
  const both = Array.from({ length: experts }, () => new Array<number>(experts).fill(0))
  for (let n = 0; n < images; n++)
    for (let a = 0; a < experts; a++)
      for (let b = 0; b < experts; b++)
        if (weights[n * experts + a]! > 0 && weights[n * experts + b]! > 0) both[a]![b]! += 1
  return both.map(row => row.map(count => count / images))
}
