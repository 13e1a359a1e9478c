import type { Curve, LayerCurves, StepCurves } from '../../src/watch/protocol.ts'

/** What was known before bucket `from`, and what is new. */
export function joined(before: StepCurves, after: StepCurves, from: number): StepCurves {
  const end = before.steps.findIndex(step => Math.floor(step / before.width) >= from)
  const kept = end < 0 ? before.steps.length : end
  const added = after.steps.length
  const append = <T>(a: readonly T[] | undefined, b: readonly T[] | undefined, none: T): T[] => [
    ...(a?.slice(0, kept) ?? new Array<T>(kept).fill(none)),
    ...(b ?? new Array<T>(added).fill(none)),
  ]
  const names = new Set([...Object.keys(before.curves), ...Object.keys(after.curves)])
  const curves = Array.from(names, (name): [string, Curve] => {
    const [a, b] = [before.curves[name], after.curves[name]]
    const mean = append(a?.mean, b?.mean, null)
    if (a?.min === undefined && b?.min === undefined) return [name, { mean }]
    return [name, { mean, min: append(a?.min, b?.min, null), max: append(a?.max, b?.max, null) }]
  })
  const layerNames = new Set([...before.layers, ...after.layers].map(({ name }) => name))
  const layers = Array.from(layerNames, (name): LayerCurves => {
    const [a, b] = [before, after].map(one => one.layers.find(layer => layer.name === name))
    const counters = new Set([...Object.keys(a?.counters ?? {}), ...Object.keys(b?.counters ?? {})])
    const isExcluded = (a?.excluded ?? null) !== null || (b?.excluded ?? null) !== null
    return {
      name,
      shares: append(a?.shares, b?.shares, []),
      excluded: isExcluded ? append(a?.excluded ?? undefined, b?.excluded ?? undefined, []) : null,
      counters: Object.fromEntries(
        Array.from(counters, counter => [counter, append(a?.counters[counter], b?.counters[counter], [])]),
      ),
    }
  })
  return { ...after, steps: append(before.steps, after.steps, 0), curves: Object.fromEntries(curves), layers }
}
