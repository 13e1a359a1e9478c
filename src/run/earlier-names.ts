import { isJsonObject } from '../files/json.ts'

/** A layer's statistics, in `metrics.jsonl` or `summary.json`, with today's names: 0.1 called `active` experts `living`. */
export function withCurrentNames(layer: unknown): unknown {
  if (!isJsonObject(layer) || !('living' in layer)) return layer
  const { living, ...others } = layer
  return { active: living, ...others }
}
