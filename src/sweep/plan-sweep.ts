import { MoietyError } from '../base/errors.ts'
import { applyOverrides, type Config, resolveConfig } from '../config/config.ts'
import { configError, type Mistake } from '../config/explain.ts'
import { setValue } from '../config/overrides.ts'
import {
  type Choices,
  holds,
  type ParameterValue,
  type Recipe,
  recipeDraft,
  refusal,
} from '../config/recipe.ts'
import { child, nearest } from '../config/shape.ts'
import { canonicalJson, type Json, type JsonObject } from '../files/json.ts'
import { modelFromShown, showWeights } from '../train/model-from.ts'
import { type Axes, type Axis, axesOf, axisNamed, seedLabel, textOf } from './axes.ts'
import { createHasher } from './identity.ts'
import type { Sweep } from './sweep-file.ts'

/** One run of a sweep. */
export interface PlannedRun {
  /** Of its folder within the sweep's: varying values, the seed, the first digits of the hash. */
  readonly name: string
  /** SHA-256 of the configuration, as `createHasher` gives it. */
  readonly hash: string
  readonly seed: number
  /** The value of every axis that applies to it, by the axis's label. */
  readonly values: JsonObject
  readonly config: Config
}

/** All runs of a sweep: the whole grid with the first seed, then with the second, and so on. */
export interface SweepPlan {
  readonly axes: readonly Axis[]
  readonly runs: readonly PlannedRun[]
  /** What weights to start from have set. */
  readonly notes: readonly string[]
}

/** Input of a plan. */
export interface PlanInput {
  readonly sweep: Sweep
  readonly recipe: Recipe
  /** `path=value` each, for all runs. */
  readonly overrides?: readonly string[]
  /** What suits the data with these choices, `path=value` each, before the sweep's own settings. */
  readonly settingsFor?: (choices: Choices) => readonly string[]
  /** The sweep's name in errors. */
  readonly source: string
}

const mostRuns = 100_000

/** A combination of values before the seed. */
interface Combination {
  readonly choices: Map<string, ParameterValue>
  readonly values: Record<string, Json>
}

/**
 * The runs of a sweep, every one with its resolved configuration: a value that training would refuse is found here,
 * before anything starts. A parameter of the recipe that does not apply to a combination, and a key of a layer that its
 * network does not have, are left out of it; equal configurations become one run.
 *
 * @throws MoietyError `usage` that names the path and, where one combination is refused, the combination; `data` for weights to start
 *   from that cannot be read
 */
export async function planSweep({
  sweep,
  recipe,
  overrides = [],
  settingsFor = () => [],
  source,
}: PlanInput): Promise<SweepPlan> {
  const mistakes: Mistake[] = []
  const found = axesOf(sweep, recipe, mistakes)
  const exclusions = sweep.exclude.map((entry, i) => conditionOf(entry, ['exclude', i], found.axes, mistakes))
  if (sweep.baseline !== null) conditionOf(sweep.baseline, ['baseline'], found.axes, mistakes)
  refuseAny(mistakes, source)
  const product = found.axes.reduce((total, { values }) => total * values.length, sweep.seeds.length)
  if (product > mostRuns)
    refuseAny([{ path: [], message: `expected at most ${mostRuns} combinations, got ${product}` }], source)

  const draft = drafter({ sweep, recipe, overrides, settingsFor, source }, found)
  const weights = new StartingWeights(sweep, overrides)
  const used = new Set<string>()
  const fits = new Set<number>()
  const combinations = choicesOf(recipe, found).flatMap(choices => draft(choices))
  const resolved: ResolvedPoint[] = []
  for (const { config, combination } of combinations) {
    for (const label of Object.keys(combination.values)) used.add(label)
    const seeds = sweep.seeds.filter(seed => {
      const values = { ...combination.values, [seedLabel]: seed }
      const excluding = exclusions.flatMap((condition, i) => (meets(values, condition) ? [i] : []))
      for (const i of excluding) fits.add(i)
      return excluding.length === 0
    })
    if (seeds.length === 0) continue
    refuseCombination(recipe, combination, source)
    const started = hasModelFrom(config) ? await weights.of(config) : config
    resolved.push({ config: resolvedPoint(started, combination, source), combination, seeds: new Set(seeds) })
  }
  refuseAny(
    [
      ...found.axes
        .filter(({ label }) => !used.has(label))
        .map(({ key, kind }) => ({
          path: [kind === 'key' ? 'grid' : 'with', key],
          message: `${key} applies to no run of this sweep`,
          help: 'remove it, or change the other values of the sweep so that it applies',
        })),
      ...exclusions.flatMap((_, i) =>
        fits.has(i)
          ? []
          : [{ path: ['exclude', i], message: 'this exclusion matches no run', help: 'remove it' }],
      ),
    ],
    source,
  )
  const runs = sweep.seeds.flatMap(seed =>
    resolved.flatMap(({ config, combination, seeds }) =>
      seeds.has(seed) ? [{ seed, values: combination.values, config: { ...config, seed } }] : [],
    ),
  )
  if (runs.length === 0)
    refuseAny([{ path: ['exclude'], message: 'everything is excluded: no run is left' }], source)
  return { axes: found.axes, runs: named(runs, source), notes: weights.notes }
}

/** A point of the grid, and the seeds that it is trained with. */
interface ResolvedPoint {
  readonly config: Config
  readonly combination: Combination
  readonly seeds: ReadonlySet<number>
}

const hasModelFrom = (config: unknown): boolean => typeof child(child(config, 'model'), 'from') === 'string'

/** Replaces `model.from` of configurations; every file is read once. */
class StartingWeights {
  readonly #fixed: readonly string[]
  readonly #shown = new Map<string, ReturnType<typeof showWeights>>()
  readonly #notes = new Set<string>()

  constructor(sweep: Sweep, overrides: readonly string[]) {
    const paths = overrides.map(override => override.slice(0, override.indexOf('=')).trim())
    this.#fixed = [...Object.keys(sweep.set), ...Object.keys(sweep.grid), ...paths]
  }

  get notes(): readonly string[] {
    return [...this.#notes]
  }

  async of(config: unknown): Promise<unknown> {
    const { input, notes } = await modelFromShown(config, this.#fixed, (path, entry) => {
      const key = `${entry ?? ''} of ${path}`
      const showing = this.#shown.get(key) ?? showWeights(path, entry)
      this.#shown.set(key, showing)
      return showing
    })
    for (const note of notes) this.#notes.add(note)
    return input
  }
}

function refuseAny(mistakes: readonly Mistake[], source: string): void {
  if (mistakes.length > 0) throw configError(mistakes, source)
}

/** Values of axes, each one or several; unknown axes and values are added to `mistakes`. */
function conditionOf(
  entry: JsonObject,
  path: readonly (string | number)[],
  axes: readonly Axis[],
  mistakes: Mistake[],
): Map<string, ReadonlySet<string>> {
  const condition = new Map<string, ReadonlySet<string>>()
  if (Object.keys(entry).length === 0) mistakes.push({ path, message: 'this is empty' })
  for (const [text, given] of Object.entries(entry)) {
    const label = text === seedLabel ? seedLabel : axisNamed(axes, text)?.label
    const here = [...path, text]
    if (label === undefined) {
      const known = axes.map(axis => axis.label)
      const guess = nearest(text, known)
      const help =
        guess === undefined ? `the varying settings are ${known.join(', ')}` : `did you mean ${guess}?`
      mistakes.push({ path: here, message: `"${text}" does not vary in this sweep`, help })
      continue
    }
    const values = axes.find(axis => axis.label === label)?.values.map(canonicalJson)
    const whole = canonicalJson(given)
    const wanted = Array.isArray(given) && values?.includes(whole) !== true ? given : [given]
    for (const value of wanted) {
      if (values === undefined || values.includes(canonicalJson(value))) continue
      const texts = axisNamed(axes, label)?.values.map(textOf) ?? []
      const guess = nearest(textOf(value), texts)
      const help = guess === undefined ? `its values are ${texts.join(', ')}` : `did you mean ${guess}?`
      mistakes.push({ path: here, message: `${text} is never ${textOf(value)} in this sweep`, help })
    }
    condition.set(label, new Set(wanted.map(canonicalJson)))
  }
  return condition
}

function meets(
  values: Readonly<Record<string, Json>>,
  condition: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  for (const [label, wanted] of condition) {
    const value = Object.hasOwn(values, label) ? values[label] : undefined
    if (value === undefined || !wanted.has(canonicalJson(value))) return false
  }
  return true
}

/** The choices of the recipe's parameters, as `combinations` of a recipe; those with an axis go through its values. */
function choicesOf(recipe: Recipe, { axes, fixed }: Axes): Map<string, ParameterValue>[] {
  let all: Map<string, ParameterValue>[] = [new Map()]
  for (const [name, parameter] of Object.entries(recipe.parameters)) {
    const axis = axes.find(({ kind, key }) => kind === 'parameter' && key === name)
    const values = parameter.values.filter(value =>
      axis === undefined ? value === (fixed.get(name) ?? parameter.default) : axis.values.includes(value),
    )
    const ordered =
      axis === undefined ? values : axis.values.flatMap(value => values.filter(v => v === value))
    all = all.flatMap(choices =>
      holds(parameter.when ?? {}, choices)
        ? ordered.map(value => new Map([...choices, [name, value]]))
        : [choices],
    )
  }
  return all
}

/** Writes the configurations of all points of the grid for given choices, not resolved yet. */
function drafter(
  { sweep, recipe, overrides, settingsFor, source }: Required<PlanInput>,
  { axes }: Axes,
): (choices: Map<string, ParameterValue>) => { config: unknown; combination: Combination }[] {
  const grid = axes.filter(({ kind }) => kind === 'key')
  return choices => {
    const chosen = axes.flatMap(({ label, key, kind }): [string, Json][] => {
      const value = kind === 'parameter' ? choices.get(key) : undefined
      return value === undefined ? [] : [[label, value]]
    })
    let base = applyOverrides(recipeDraft(recipe, choices), settingsFor(choices))
    for (const [key, value] of Object.entries(sweep.set)) base = assign(base, key, value, 'set', source)
    base = applyOverrides(base, overrides)
    let points: { config: unknown; values: Record<string, Json> }[] = [
      { config: base, values: Object.fromEntries(chosen) },
    ]
    for (const { key, label, values } of grid)
      points = points.flatMap(point =>
        reaches(point.config, key)
          ? values.map(value => ({
              config: assign(point.config, key, value, 'grid', source),
              values: { ...point.values, [label]: value },
            }))
          : [point],
      )
    return points.map(({ config, values }) => ({ config, combination: { choices, values } }))
  }
}

function assign(config: unknown, key: string, value: Json, part: string, source: string): unknown {
  try {
    return setValue(config, key, value)
  } catch (cause) {
    if (!(cause instanceof MoietyError)) throw cause
    const where = cause.where?.replace(/--set$/, `${part} of ${source}`) ?? source
    throw withFacts(cause, { where })
  }
}

function withFacts(cause: MoietyError, facts: { where?: string; help?: string }): MoietyError {
  const { kind, message, where, help } = cause
  return new MoietyError({
    kind,
    message,
    ...(where === undefined ? {} : { where }),
    ...(help === undefined ? {} : { help }),
    ...facts,
    cause,
  })
}

/** Whether the lists in a key's path are long enough: a plain network has no layer whose K could be set. */
function reaches(config: unknown, key: string): boolean {
  let value: unknown = config
  for (const part of key.replaceAll(/\[(\d+)\]/g, '.$1').split('.')) {
    if (Array.isArray(value) && /^\d+$/.test(part) && Number(part) >= value.length) return false
    value = child(value, part)
  }
  return true
}

function refuseCombination(recipe: Recipe, combination: Combination, source: string): void {
  const reason = refusal(recipe, combination.choices)
  if (reason === undefined) return
  const message = `${recipe.name} does not have ${showValues(combination.values)}: ${reason}`
  throw new MoietyError({ kind: 'usage', message, where: source, help: excludeHint(combination.values) })
}

function resolvedPoint(config: unknown, { values }: Combination, source: string): Config {
  try {
    return resolveConfig(
      config,
      Object.keys(values).length === 0 ? source : `${source} with ${showValues(values)}`,
    )
  } catch (cause) {
    if (!(cause instanceof MoietyError) || Object.keys(values).length === 0) throw cause
    const help = cause.help === undefined ? '' : `${cause.help}; or `
    throw withFacts(cause, { help: help + excludeHint(values) })
  }
}

const showValues = (values: Readonly<Record<string, Json>>): string =>
  Object.entries(values)
    .map(([label, value]) => `${label}=${textOf(value)}`)
    .join(', ')

const excludeHint = (values: JsonObject): string =>
  `exclude the combination: "exclude": [${JSON.stringify(values)}]`

/** Gives every run its hash and name; two of the same configuration are a mistake. */
function named(runs: readonly Omit<PlannedRun, 'hash' | 'name'>[], source: string): PlannedRun[] {
  const byHash = new Map<string, Omit<PlannedRun, 'hash' | 'name'>>()
  const hashOf = createHasher()
  const hashed = runs.map(run => {
    const hash = hashOf(run.config)
    const twin = byHash.get(hash)
    if (twin !== undefined)
      refuseAny(
        [
          {
            path: [],
            message: `${showValues(twin.values)} and ${showValues(run.values)} are the same training, seed ${run.seed}`,
            help: 'list values that give the same configuration once',
          },
        ],
        source,
      )
    byHash.set(hash, run)
    return { ...run, hash }
  })
  // Truncated names can be equal except for the hash, and with many runs eight digits of it as well.
  const named = (digits: number): PlannedRun[] =>
    hashed.map(run => ({ ...run, name: `${describe(run)}-${run.hash.slice(0, digits)}` }))
  const short = named(8)
  return new Set(short.map(({ name }) => name)).size === short.length ? short : named(64)
}

function describe({ values, seed }: { readonly values: JsonObject; readonly seed: number }): string {
  const words = Object.entries(values).map(([label, value]) => `${label}-${textOf(value)}`)
  const text = words
    .join('-')
    .replace(/[^\w.+-]+/g, '-')
    .replace(/^[.-]+/, '')
  return `${text.slice(0, 100)}${text === '' ? '' : '-'}seed-${seed}`
}
