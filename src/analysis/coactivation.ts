import { leadOf } from '../base/exact-tests.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { LayerFindings } from './findings.ts'

/**
 * Which experts are chosen together (METHOD.md §6.6): the share of images that chose both, [E][E]; the diagonal is the share
 * that chose the one. If experts were chosen independently and evenly, each pair would have K(K−1) / E(E−1).
 */
export function coactivationOf({ experts, weights }: Pick<RoutedLayer, 'experts' | 'weights'>): number[][] {
  const images = weights.length / experts
  const both = Array.from({ length: experts }, () => new Array<number>(experts).fill(0))
  for (let n = 0; n < images; n++)
    for (let a = 0; a < experts; a++)
      for (let b = 0; b < experts; b++)
        if (weights[n * experts + a]! > 0 && weights[n * experts + b]! > 0) both[a]![b]! += 1
  return both.map(row => row.map(count => count / images))
}

/** Whether the pair that most images choose is chosen by more of them than each other pair is; null for fewer than two pairs. */
export function pairLead({
  experts,
  weights,
}: Pick<RoutedLayer, 'experts' | 'weights'>): LayerFindings['leads']['pair'] {
  const images = weights.length / experts
  const chosen = (n: number, e: number): boolean => weights[n * experts + e]! > 0
  const pairs = Array.from({ length: experts }, (_, a) => a).flatMap(a =>
    Array.from({ length: experts - a - 1 }, (_, i): [number, number] => [a, a + 1 + i]),
  )
  const holds = ([a, b]: readonly [number, number], n: number): boolean => chosen(n, a) && chosen(n, b)
  const each = Array.from({ length: images }, (_, n) => n)
  const counts = pairs.map(one => each.filter(n => holds(one, n)).length)
  const most = counts.indexOf(Math.max(...counts))
  // Only images that chose the first pair can have chosen it and another.
  const own = pairs[most] === undefined ? [] : each.filter(n => holds(pairs[most]!, n))
  const lead = leadOf(counts, (_, other) => own.filter(n => holds(pairs[other]!, n)).length, images)
  return lead && { ...lead, first: pairs[lead.first]!, second: pairs[lead.second]! }
}
