import {
  type Component,
  type ComponentSource,
  type ComponentType,
  componentTypes,
} from '../base/component.ts'
import { fail } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import { child } from '../base/schemas.ts'
import type { DatasetDefinition } from '../data/datasets/define-dataset.ts'
import { datasets } from '../data/datasets/registry.ts'
import type { TransformDefinition } from '../data/transform.ts'
import { transforms } from '../data/transforms/registry.ts'
import type { MetricDefinition } from '../metrics/metric.ts'
import { metrics } from '../metrics/registry.ts'
import { type LossDefinition, losses } from '../models/loss.ts'
import { type NetworkDefinition, networks } from '../models/network.ts'
import { type ConstraintDefinition, constraints, type GateDefinition, gates } from '../moe/index.ts'
import { type OptimizerDefinition, optimizers, type ScheduleDefinition, schedules } from '../optim/index.ts'
import type { CallbackDefinition } from './callback.ts'
import { callbacks } from './callbacks.ts'

/** A component as `defineConstraint`, `defineGate`, … make it. */
export type Definition =
  | ConstraintDefinition
  | GateDefinition
  | OptimizerDefinition
  | ScheduleDefinition
  | NetworkDefinition
  | LossDefinition
  | DatasetDefinition
  | TransformDefinition
  | MetricDefinition
  | CallbackDefinition

/** The registry of each type. */
const registries = {
  constraint: constraints,
  gate: gates,
  optimizer: optimizers,
  schedule: schedules,
  network: networks,
  loss: losses,
  dataset: datasets,
  transform: transforms,
  metric: metrics,
  callback: callbacks,
} as const satisfies Readonly<Record<ComponentType, unknown>>

/** How many components have been added in this process. */
export function countAdded(): number {
  return addedComponents().length
}

/** Every component that has been added in this process, type by type, with the file that it is from. */
export function addedComponents(): readonly { component: Component; source: ComponentSource | null }[] {
  return Object.values(registries).flatMap(registry =>
    registry.added.map(component => ({ component, source: registry.sourceOf(component.name) })),
  )
}

/** The files that components were loaded from, in the order of `addedComponents`. */
export function loadedFiles(): readonly ComponentSource[] {
  return distinct(addedComponents().flatMap(({ source }) => source ?? []))
}

function distinct(sources: readonly ComponentSource[]): ComponentSource[] {
  return [...new Map(sources.map(source => [source.sha256, source])).values()]
}

/**
 * Makes components known by name in this process, all or none, so that configurations can name them. A program calls it before
 * `resolveConfig`; from the command line, `--use FILE` does.
 *
 * @param source - the file that they are from; null: this program
 * @throws MoietyError (usage) for a name that is taken, or what is no component
 */
export function addComponents(
  components: readonly Definition[],
  source: ComponentSource | null = null,
): void {
  const names = new Set<string>()
  for (const one of components) {
    if (!isDefinition(one)) refuseOther(source)
    const key = `${one.component} ${one.name}`
    if (names.has(key))
      fail({
        kind: 'usage',
        message: `two components are called "${one.name}", and both are a ${one.component}`,
        ...(source === null ? {} : { where: source.file }),
        help: 'give one of them another name',
      })
    names.add(key)
    registries[one.component].checkFree(one.name, source)
  }
  for (const one of components) add(one, source)
}

function add(one: Definition, source: ComponentSource | null): void {
  const registry: { add(component: Definition, source: ComponentSource | null): void } =
    registries[one.component]
  registry.add(one, source)
}

/** The function that a definition must have; all others create what they are. */
const makers: Readonly<Partial<Record<ComponentType, string>>> = { optimizer: 'update', schedule: 'rateAt' }

/** Whether a value is what one of these functions made; the rest was checked when it was defined. */
export function isDefinition(value: unknown): value is Definition {
  const type = componentTypes.find(name => name === child(value, 'component'))
  return (
    type !== undefined &&
    typeof child(value, 'name') === 'string' &&
    typeof child(value, makers[type] ?? 'create') === 'function' &&
    child(child(value, 'schema'), '_zod') !== undefined
  )
}

/** For messages: `defineConstraint, defineGate, …`. */
export const definers = componentTypes
  .map(type => `define${type[0]!.toUpperCase()}${type.slice(1)}`)
  .join(', ')

function refuseOther(source: ComponentSource | null): never {
  return fail({
    kind: 'usage',
    message: 'expected components, but one of these is none',
    ...(source === null ? {} : { where: source.file }),
    help: `make it with ${definers}`,
  })
}

/** The part of a configuration that names files with components: the files, and the hashes of their code in the same order. */
export interface UsedComponents {
  readonly files: readonly string[]
  readonly sha256: readonly string[]
}

/** What a configuration uses of what was loaded; undefined where that is nothing. */
export function usedComponents(
  names: Readonly<Partial<Record<ComponentType, readonly string[]>>>,
): UsedComponents | undefined {
  const used = distinct(
    addedComponents().flatMap(({ component, source }) =>
      source !== null && names[component.component]?.includes(component.name) === true ? [source] : [],
    ),
  )
  if (used.length === 0) return undefined
  return { files: used.map(({ file }) => file), sha256: used.map(({ sha256 }) => sha256) }
}

/**
 * Refuses a configuration that needs code which has not been loaded, or other code than it was made with. Loading runs code, so
 * that a configuration says it needs some is no reason to do it.
 *
 * @param input - a configuration as JSON gives it
 * @throws MoietyError (usage) that names the file
 */
export function requireComponents(input: unknown, source: string): void {
  const use = child(input, 'use')
  const [files, hashes] = [child(use, 'files'), child(use, 'sha256')]
  if (!Array.isArray(files) || !Array.isArray(hashes)) return
  const loaded = loadedFiles()
  for (const [i, hash] of hashes.entries()) {
    if (loaded.some(({ sha256 }) => sha256 === hash)) continue
    const file = String(files[i])
    const changed = loaded.find(one => fileName(one.file) === fileName(file))
    if (changed !== undefined) refuseChanged(changed, String(hash), source)
    fail({
      kind: 'usage',
      message: `this needs components of your own, from ${file}`,
      where: source,
      help: `add --use ${shellWord(file)}, which runs the code in that file; in a program, loadComponents([${JSON.stringify(file)}])`,
    })
  }
}

function refuseChanged({ file, sha256 }: ComponentSource, before: string, where: string): never {
  return fail({
    kind: 'usage',
    message: `the code of ${file} is not the one that this was made with:`,
    details: [`  SHA-256 ${before} before`, `  SHA-256 ${sha256} now`],
    where,
    help: 'take the changes of the file back, or begin a new run without --resume',
  })
}

/** The last part of a path; without Node, for this file is also loaded in browsers. */
function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path
}
