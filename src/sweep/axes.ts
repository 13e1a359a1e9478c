import type { Mistake } from '../config/explain.ts'
import type { ParameterValue, Recipe } from '../config/recipe.ts'
import { nearest, oneOf, showValue } from '../config/shape.ts'
import { canonicalJson, isJsonObject, type Json } from '../files/json.ts'
import { rangeMistake, type Sweep, valuesOf } from './sweep-file.ts'

/** A setting that varies between the runs of a sweep, with its values. */
export interface Axis {
  /** Short and unique in the sweep: `constraint`, `experts`, or the whole path where the end of it is not enough. */
  readonly label: string
  /** The recipe's parameter or the configuration's key. */
  readonly key: string
  readonly kind: 'parameter' | 'key'
  readonly values: readonly Json[]
}

/** The settings of a sweep's file, checked against its recipe: axes, and parameters that are fixed in all runs. */
export interface Axes {
  readonly axes: readonly Axis[]
  readonly fixed: ReadonlyMap<string, ParameterValue>
}

/** The seed as an axis of a table; no other axis can have this name. */
export const seedLabel = 'seed'

/** Reads `with` and `grid`; errors are added to `mistakes`. */
export function axesOf(sweep: Sweep, recipe: Recipe, mistakes: Mistake[]): Axes {
  const fixed = new Map<string, ParameterValue>()
  const found: Omit<Axis, 'label'>[] = []
  for (const [key, given] of Object.entries(sweep.with)) {
    const values = Array.isArray(given) ? given : [given]
    const path = ['with', key]
    if (values.length === 0) mistakes.push({ path, message: `${key} has an empty list of values` })
    const known = values.flatMap(value => parameterValue(recipe, key, value, path, mistakes) ?? [])
    if (known.length < values.length) continue
    if (Array.isArray(given)) found.push({ key, kind: 'parameter', values: known })
    else for (const value of known) fixed.set(key, value)
  }
  for (const [key, given] of Object.entries(sweep.grid)) {
    const path = ['grid', key]
    const wrong = 'steps' in given ? rangeMistake(given) : undefined
    if (wrong !== undefined) mistakes.push({ path, message: wrong })
    else if (key === seedLabel)
      mistakes.push({ path, message: 'the seed is not part of the grid', help: 'use seeds: [42, 43]' })
    else found.push({ key, kind: 'key', values: valuesOf(given) })
  }
  if (Object.hasOwn(sweep.set, seedLabel))
    mistakes.push({
      path: ['set', seedLabel],
      message: 'the seed cannot be set',
      help: 'use seeds: [42, 43]',
    })
  for (const { key, kind, values } of found) {
    const path = [kind === 'key' ? 'grid' : 'with', key]
    const texts = values.map(canonicalJson)
    const twice = values.find((_, i) => texts.indexOf(texts[i]!) < i)
    if (twice !== undefined)
      mistakes.push({ path, message: `${key} has the value ${textOf(twice)} twice`, help: 'list it once' })
    if (Object.hasOwn(sweep.set, key))
      mistakes.push({
        path,
        message: `${key} is both set and in the grid`,
        help: 'remove it from one of them',
      })
  }
  return { axes: labelled(found), fixed }
}

function parameterValue(
  recipe: Recipe,
  key: string,
  value: Json,
  path: readonly string[],
  mistakes: Mistake[],
): ParameterValue | undefined {
  const names = Object.keys(recipe.parameters)
  const parameter = Object.hasOwn(recipe.parameters, key) ? recipe.parameters[key] : undefined
  if (parameter === undefined) {
    const guess = nearest(key, names)
    const all = names.length === 0 ? 'it has none' : `its parameters are ${names.join(', ')}`
    mistakes.push({
      path,
      message: `the recipe ${recipe.name} has no parameter "${key}"`,
      help:
        guess === undefined ? `${all}; put keys of the configuration into grid` : `did you mean ${guess}?`,
    })
    return undefined
  }
  const known = parameter.values.find(one => one === value)
  if (known !== undefined) return known
  const guess = nearest(textOf(value), parameter.values.map(String))
  mistakes.push({
    path,
    message: `${key} is ${oneOf(parameter.values.map(String))}, came ${showValue(value)}`,
    help: guess === undefined ? parameter.description : `did you mean ${guess}?`,
  })
  return undefined
}

/** A key's label is its last part, or what stands before `.name`; two that would have the same get their whole key. */
function labelled(found: readonly Omit<Axis, 'label'>[]): Axis[] {
  const short = ({ key, kind }: Omit<Axis, 'label'>): string =>
    kind === 'parameter'
      ? key
      : (key
          .replace(/\.name$/, '')
          .split('.')
          .at(-1) ?? key)
  return found.map(axis => {
    const label = short(axis)
    const isAlone = found.filter(other => short(other) === label).length === 1
    const isWord = /^[a-z]\w*$/i.test(label) && !['seed', 'value'].includes(label)
    return { ...axis, label: isAlone && isWord ? label : axis.key }
  })
}

/** The axis with this label or key. */
export function axisNamed<T extends { readonly label: string; readonly key: string }>(
  axes: readonly T[],
  text: string,
): T | undefined {
  return axes.find(({ label }) => label === text) ?? axes.find(({ key }) => key === text)
}

/** A value for names of folders and tables. */
export function textOf(value: Json): string {
  if (typeof value === 'string') return value
  if (isJsonObject(value) && typeof value.name === 'string') {
    const { name, ...rest } = value
    return [name, ...Object.entries(rest).map(([key, below]) => `${key} ${textOf(below)}`)].join(' ')
  }
  return JSON.stringify(value)
}
