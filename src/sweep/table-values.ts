import { fail } from '../base/errors.ts'
import { nearest } from '../config/shape.ts'
import type { MeasureDefinition } from '../metrics/measure.ts'
import type { NetworkCost } from '../run/events.ts'
import { measuresOf } from '../tasks/measures.ts'
import { taskMeasures } from '../tasks/task-measures.ts'
import type { LayerResult, Outcome } from './outcome.ts'

/** A number that finished runs have, as a table shows it. */
export interface Measure {
  /** As `--value` names it. */
  readonly key: string
  /** In words, with the unit. */
  readonly title: string
  /** What the number is multiplied by to be in that unit, and with how many decimals it is shown. */
  readonly scale: number
  readonly digits: number
  /**
   * The number of a run, in its own unit; null where it has none.
   *
   * @param run - its name, where the number is in a file of its folder
   */
  of(outcome: Outcome, run: string): number | null
}

type Done = Extract<Outcome, { status: 'done' }>

type OfRun = Omit<Measure, 'key' | 'of'> & { readonly of: (run: Done) => number | null }

function ofMeasure({ name, title, format }: MeasureDefinition): [string, OfRun] {
  const shown =
    format === 'percent' ? { title: `${title}, %`, scale: 100, digits: 1 } : { title, scale: 1, digits: 3 }
  return [name, { ...shown, of: run => run.measures[name] ?? null }]
}

/** In millions. */
function ofCost(key: keyof NetworkCost, title: string): OfRun {
  return { title: `${title}, million`, scale: 1e-6, digits: 2, of: ({ cost }) => cost?.[key] ?? null }
}

/** Those of tasks are shown in per cent. */
const ofRun: Readonly<Record<string, OfRun>> = {
  ...Object.fromEntries(taskMeasures.map(measure => ofMeasure({ ...measure, format: 'percent' }))),
  parameters: ofCost('parameters', 'parameters'),
  activeParameters: ofCost('activeParameters', 'active parameters'),
  multiplyAdds: ofCost('multiplyAdds', 'multiply–adds of an image'),
  seconds: { title: 'seconds of training', scale: 1, digits: 0, of: run => run.seconds },
}

const ofLayer = {
  cvImportance: { title: 'CV of importance', digits: 3, of: (layer: LayerResult) => layer.cvImportance },
  cvActivation: { title: 'CV of activation', digits: 3, of: (layer: LayerResult) => layer.cvActivation },
  active: { title: 'active experts', digits: 2, of: (layer: LayerResult) => layer.active },
} as const

/** What a table shows where no value is named: what its runs are ranked by. */
export function usualMeasure(outcomes: Iterable<Outcome>): string {
  for (const outcome of outcomes) {
    const [ranking] = outcome.status === 'done' ? measuresOf(outcome.measures) : []
    if (ranking !== undefined) return ranking.name
  }
  return 'top1'
}

/** Metrics of the user's own, by their names; the runs have them, whether or not their code is loaded. */
function ofMetrics(outcomes: readonly Outcome[]): Readonly<Record<string, OfRun>> {
  const found = outcomes.flatMap(one => (one.status === 'done' ? measuresOf(one.measures) : []))
  return Object.fromEntries(found.filter(({ name }) => !Object.hasOwn(ofRun, name)).map(ofMeasure))
}

/** What `--value` can name, besides metrics of the user's own. */
export const measureNames: readonly string[] = [...Object.keys(ofRun), ...Object.keys(ofLayer)]

/**
 * The measure of that name; what belongs to a mixture of experts takes its name behind a dot, `cvImportance.layer4`, which
 * may be left out where no run has more than one: numbers of different mixtures are never put together.
 *
 * @param otherwise - what another name is
 * @throws MoietyError `usage` for another name, and where it must be said which mixture is meant
 */
export function measureNamed(
  text: string,
  outcomes: Iterable<Outcome>,
  otherwise: () => Measure = () => unknownValue(text),
): Measure {
  const given = [...outcomes]
  const runs = { ...ofRun, ...ofMetrics(given) }
  for (const [key, measure] of Object.entries(runs))
    if (key === text)
      return { key, ...measure, of: outcome => (outcome.status === 'done' ? measure.of(outcome) : null) }
  const dot = text.indexOf('.')
  const [name, layer] = dot < 0 ? [text, undefined] : [text.slice(0, dot), text.slice(dot + 1)]
  const found = Object.entries(ofLayer).find(([key]) => key === name)
  if (found === undefined) return otherwise()
  const all = given.flatMap(outcome => (outcome.status === 'done' ? [outcome.layers] : []))
  const names = [...new Set(all.flatMap(layers => layers.map(one => one.name)))].sort()
  if (layer !== undefined ? !names.includes(layer) && names.length > 0 : all.some(({ length }) => length > 1))
    fail({
      kind: 'usage',
      message: layer === undefined ? 'there are runs with several mixtures' : `no run has a mixture ${layer}`,
      where: '--value',
      help: `say which: ${names.map(one => `${name}.${one}`).join(', ')}`,
    })
  const [key, { title, digits, of }] = found
  return {
    key: layer === undefined ? key : `${key}.${layer}`,
    title: layer === undefined ? title : `${title}, ${layer}`,
    scale: 1,
    digits,
    of: outcome => {
      if (outcome.status !== 'done') return null
      const meant = outcome.layers.find(one => layer === undefined || one.name === layer)
      return meant === undefined ? null : of(meant)
    },
  }
}

function unknownValue(text: string): never {
  const guess = nearest(text, measureNames)
  return fail({
    kind: 'usage',
    message: `there is no value "${text}"`,
    where: '--value',
    help: guess === undefined ? `the values are ${measureNames.join(', ')}` : `did you mean ${guess}?`,
  })
}
