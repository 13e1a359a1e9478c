import { fail } from '../base/errors.ts'
import type { ModelConfig } from '../config/config.ts'
import type { RoutingOverride } from '../moe/index.ts'

/** How experts are to be chosen instead of as trained, in all mixtures of a network; nothing said: as trained. */
export interface RoutingChoice {
  /** How many experts compute each image, instead of as many as in training. */
  readonly k?: number
  /** The one expert that computes every image, counted from 0. */
  readonly only?: number
  /** The expert that is left out, counted from 0. */
  readonly without?: number
  /** All experts compute every image and weigh the same: the ensemble that the gate is measured against. */
  readonly equal?: true
}

/**
 * The override that a choice asks for, of all mixtures of a network; none for a choice of nothing.
 *
 * @throws MoietyError of kind `usage` for a network without a mixture, and a K or an expert that one of its mixtures does not
 *   have
 */
export function routingOverride(
  { k, only, without, equal }: RoutingChoice,
  mixtures: readonly { readonly experts: number; readonly k: number }[],
): RoutingOverride | undefined {
  if (k === undefined && only === undefined && without === undefined && equal === undefined) return undefined
  if (mixtures.length === 0) {
    fail({
      kind: 'usage',
      message: 'the run has no mixture of experts, so there is no routing to change',
      help: 'leave --k, --only, --without and --equal out',
    })
  }
  if (equal) return { kind: 'equal' }
  const fewest = Math.min(...mixtures.map(layer => layer.experts))
  for (const [flag, expert] of [
    ['--only', only],
    ['--without', without],
  ] as const) {
    if (expert !== undefined && expert >= fewest) {
      fail({
        kind: 'usage',
        message: `there is no expert ${expert}: experts are 0 to ${fewest - 1}`,
        where: flag,
        help: 'choose one of these',
      })
    }
  }
  const available = fewest - (without === undefined ? 0 : 1)
  const wanted = k ?? Math.max(...mixtures.map(layer => layer.k))
  if (only === undefined && wanted > available) {
    fail({
      kind: 'usage',
      message: `K = ${wanted} experts cannot be chosen from ${available}`,
      where: '--k',
      help: `choose 1 to ${available} with --k`,
    })
  }
  if (only !== undefined) return { kind: 'single', expert: only }
  return { kind: 'gate', ...(k === undefined ? {} : { k }), ...(without === undefined ? {} : { without }) }
}

/** How experts are chosen, in words: "as trained", "K = 1", … */
export function describeRouting({ k, only, without, equal }: RoutingChoice): string {
  if (equal) return 'all with equal weight'
  if (only !== undefined) return `single expert ${only}`
  const parts = [
    ...(k === undefined ? [] : [`K = ${k}`]),
    ...(without === undefined ? [] : [`without expert ${without}`]),
  ]
  return parts.length === 0 ? 'as trained' : parts.join(', ')
}

/** The mixtures of a configured model. */
export function mixturesIn({
  moe,
  detector,
}: ModelConfig): readonly { readonly experts: number; readonly k: number }[] {
  return [...moe, ...(detector?.mixture ? [detector.mixture] : [])]
}
