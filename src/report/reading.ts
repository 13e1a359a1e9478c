import type { Findings, ImageLayer } from '../analysis/findings.ts'
import type { PictureOfImage } from '../analysis/pictures.ts'
import { shown } from './markup.ts'

/** Classes under a common heading. */
export interface ClassGroup {
  /** Null where the data has no superclasses, or these classes none. */
  readonly superclass: number | null
  readonly title: string
  readonly classes: readonly number[]
}

/** The findings with names and pictures at hand. */
export interface Reading {
  readonly findings: Findings
  readonly classNames: readonly string[]
  readonly superclassNames: readonly string[]
  /** All classes, each once. */
  readonly groups: readonly ClassGroup[]
  /** By number within the split. */
  readonly pictures: ReadonlyMap<number, PictureOfImage>
  /** By class. */
  readonly picturesOf: ReadonlyMap<number, readonly PictureOfImage[]>
}

/** The same of a task whose experts have captions and galleries. */
export interface ImageReading extends Reading {
  readonly extras: {
    /** Height and width of an image, in pixels. */
    readonly size: number
    readonly layers: readonly ImageLayer[]
  }
}

export function readingOf(findings: Findings, pictures: readonly PictureOfImage[]): Reading {
  const { data } = findings
  const classNames = data.classes.map(shown)
  const superclassNames = (data.superclasses ?? []).map(shown)
  const picturesOf = new Map<number, PictureOfImage[]>()
  const once = new Map(pictures.map(picture => [picture.image, picture]))
  for (const picture of once.values())
    for (const label of picture.labels) {
      const others = picturesOf.get(label)
      if (others === undefined) picturesOf.set(label, [picture])
      else others.push(picture)
    }
  const all = Array.from(classNames.keys())
  const of = data.superclassOf
  const groups: ClassGroup[] =
    of === null || superclassNames.length === 0
      ? [{ superclass: null, title: 'All classes', classes: all }]
      : [
          ...superclassNames.map((title, superclass) => ({
            superclass,
            title,
            classes: all.filter(c => of[c] === superclass),
          })),
          {
            superclass: null,
            title: 'Without a superclass',
            classes: all.filter(c => superclassNames[of[c] ?? -1] === undefined),
          },
        ]
  return {
    findings,
    classNames,
    superclassNames,
    groups: groups.filter(({ classes }) => classes.length > 0),
    pictures: once,
    picturesOf,
  }
}

/** The name of a class by its number. */
export function className(reading: Reading, index: number): string {
  return reading.classNames[index] ?? `class ${index}`
}

/** The classes of an image by name. */
export function classNamesOf(reading: Reading, labels: readonly number[]): string {
  return labels.length === 0 ? 'no class' : labels.map(label => className(reading, label)).join(', ')
}

export function superclassName(reading: Reading, index: number): string {
  return reading.superclassNames[index] ?? `superclass ${index}`
}

/** The superclass of a class; null where it has none. */
export function superclassOf({ findings, superclassNames }: Reading, index: number): string | null {
  return superclassNames[findings.data.superclassOf?.[index] ?? -1] ?? null
}

/** The mean over all images (or objects) of some classes of what each class has; null where they have none. */
export function groupMean(
  { findings }: Reading,
  perClass: readonly (number | null)[],
  classes: readonly number[],
): number | null {
  const { perClass: counts } = findings.data
  const images = classes.reduce((total, c) => total + (counts[c] ?? 0), 0)
  const sum = classes.reduce((total, c) => total + (counts[c] ?? 0) * (perClass[c] ?? 0), 0)
  return images === 0 ? null : sum / images
}

/** The expert that a row of lifts, or of weights, is largest for; null for a row without values. */
export function preferred(row: readonly (number | null)[] | undefined): number | null {
  let best: number | null = null
  for (const [e, value] of (row ?? []).entries())
    if (value !== null && (best === null || value > (row?.[best] ?? 0))) best = e
  return best
}

/**
 * Rows put together by the expert that they prefer, and those that prefer it most first, so that specialisation is seen as
 * blocks along the diagonal. Rows without values come last.
 */
export function byPreference(
  rows: readonly number[],
  lift: readonly (readonly (number | null)[])[],
): readonly number[] {
  const rank = (row: number): number => preferred(lift[row]) ?? Number.MAX_SAFE_INTEGER
  const strength = (row: number): number => lift[row]?.[rank(row)] ?? 0
  return rows.toSorted((a, b) => rank(a) - rank(b) || strength(b) - strength(a) || a - b)
}

/** Where on the page something is. */
export const anchor = {
  layer: (layer: number): string => `layer-${layer}`,
  expert: (layer: number, expert: number): string => `layer-${layer}-expert-${expert}`,
  class: (index: number): string => `class-${index}`,
  image: (image: number): string => `image-${image}`,
} as const
