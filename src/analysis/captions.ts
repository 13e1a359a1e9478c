import { binomialTail, mcnemar, normalTail, significanceLevel } from '../base/exact-tests.ts'
import { fewestImages, probabilityOfMean, standardErrorsAbove } from '../metrics/above-mean.ts'
import type { PairedCounts } from '../tasks/classification/accuracy.ts'
import { type Affinity, type ExplainedBest, explainedBestWords } from './findings.ts'

/** All that a caption is made from. Rows are classes, columns experts. */
export interface CaptionEvidence {
  readonly expert: number
  /** Share of each expert in all weight, [E]. */
  readonly share: readonly number[]
  /** Experts that each image selects. */
  readonly k: number
  /** Mean of the expert's weight over images; where an image has several classes, it counts for each. */
  readonly overall: number
  /** Likewise the share of images that selected the expert, and the standard deviation of its weight. */
  readonly activation: number
  readonly spread: number
  readonly classes: readonly string[]
  /** Images of each class. */
  readonly images: readonly number[]
  readonly byClass: Affinity
  /** Names, rows and the class each belongs to, where the data has superclasses. */
  readonly superclasses?: {
    readonly names: readonly string[]
    readonly images: readonly number[]
    readonly by: Affinity
    /** The superclass of each class; null for a class without one. */
    readonly of: readonly (number | null)[]
  }
  /** By class: images that the network has right, and those on which this expert alone differs. */
  readonly alone: PairedCounts
  /** Which part of all images, counted for each of their classes, is independent; 1 where each has one class. */
  readonly independence: number
  /** The attribute of images by which it is explained best. */
  readonly explained?: ExplainedBest | null
  /** What `alone` counts: images that are named right, or in which the class is found. */
  readonly counted: 'right' | 'found'
}

/** A sentence, or why there is none. */
export type Caption =
  | { readonly caption: string; readonly noCaptionReason: null }
  | { readonly caption: null; readonly noCaptionReason: string }

/** What has less than this share of the weight is not used (METHOD.md §6.1). */
const activeShare = 0.01
/** A group of classes is named from this ratio to chance on. */
const notable = 1.3
/** And from this many standard errors above chance on, whatever the correction asks for. */
const evident = 4
const mostGroups = 3
/** The class that is named last went to the expert at least this often. */
const often = 0.5
/** How much less an expert alone gets right, to be called weak. */
const weak = 0.1

/**
 * One sentence about an expert, in numbers: which groups of classes it gets more of than chance, a class of these that
 * selects it, with the chance of that, and in what it is weak when it works alone. What the images do not bear out is left
 * out: every part has a test at the level 0.05 over all that it was chosen from, groups (or classes) times experts, by
 * Bonferroni's correction (`docs/reference/measures.md`).
 *
 * Ratios to chance and shares are of weight (`byClass.weight`), "selected for" is of images (`byClass.activation`).
 */
export function captionOf(evidence: CaptionEvidence): Caption {
  const { expert, share, overall } = evidence
  const noCaptionReason = (why: string): Caption => ({ caption: null, noCaptionReason: why })
  const own = share[expert] ?? 0
  if (own === 0) return noCaptionReason('never used')
  if (own < activeShare) return noCaptionReason(`hardly used: ${percent(own)} of the weight`)
  if (share.length === 1) return noCaptionReason('the only expert')
  const groups = groupsOf(evidence)
  const favourites = groups
    .map((group, index) => ({ ...group, index, lift: group.weight / overall }))
    .filter(({ lift, isBeyondChance }) => lift >= notable && isBeyondChance)
    .sort((a, b) => b.lift - a.lift)
  const attribute = evidence.explained ? [explainedBestWords(evidence.explained)] : []
  if (favourites.length === 0) {
    if (attribute[0] !== undefined) return { caption: attribute[0], noCaptionReason: null }
    return noCaptionReason(`no group of classes gives it ${notable} × chance or more beyond doubt`)
  }
  const named = favourites.slice(0, mostGroups)
  const images = named.reduce((total, group) => total + group.images, 0)
  const weight = named.reduce((total, group) => total + group.weight * group.images, 0) / images
  const parts = [
    `${named.map(({ name }) => name).join(', ')}: ${(weight / overall).toFixed(1)} × chance`,
    ...attribute,
    ...selectedFor(evidence, new Set(named.map(({ index }) => index))),
    ...weakness(evidence),
  ]
  return { caption: parts.join('; '), noCaptionReason: null }
}

interface Group {
  readonly name: string
  readonly images: number
  /** Mean weight of the expert over the group's images. */
  readonly weight: number
  readonly isBeyondChance: boolean
}

/** Superclasses where there are any, else classes; one for each, in order. */
function groupsOf({
  expert,
  share,
  overall,
  spread,
  classes,
  images,
  byClass,
  superclasses,
}: CaptionEvidence): Group[] {
  const names = superclasses?.names ?? classes
  const counts = superclasses?.images ?? images
  const rows = (superclasses?.by ?? byClass).weight
  const comparisons = counts.filter(count => count > 0).length * share.length
  return names.map((name, g) => {
    const weight = rows[g]?.[expert] ?? 0
    const group = { mean: weight, overall, deviation: spread, images: counts[g] ?? 0 }
    return {
      name: readable(name),
      images: group.images,
      weight,
      isBeyondChance:
        standardErrorsAbove(group) >= evident && probabilityOfMean(group) * comparisons <= significanceLevel,
    }
  })
}

/**
 * A class of the named groups that selects the expert, the one that does so most often, with the chance of it: K/E, or how often
 * images at large select the expert if that is more. It is named only if it selects the expert beyond doubt more often than
 * that, by the exact binomial distribution: where K is E every class does, and that says nothing.
 */
function selectedFor(
  { k, share, activation: overall, expert, classes, images, byClass, superclasses }: CaptionEvidence,
  named: ReadonlySet<number>,
): string[] {
  const chance = Math.max(overall, Math.min(1, k / share.length))
  const comparisons = images.filter(count => count > 0).length * share.length
  const candidates = classes
    .map((name, c) => ({ name, c, activation: byClass.activation[c]?.[expert] ?? 0 }))
    .filter(({ c, activation }) => {
      const group = superclasses === undefined ? c : superclasses.of[c]
      const count = images[c]!
      if (typeof group !== 'number' || !named.has(group) || count < fewestImages || activation < often)
        return false
      return (
        binomialTail(Math.round(activation * count), count, chance) * 2 * comparisons <= significanceLevel
      )
    })
    .sort((a, b) => b.activation - a.activation)
  const [most] = candidates
  return most === undefined
    ? []
    : [`selected for ${percent(most.activation)} of ${readable(most.name)} (chance ${percent(chance)})`]
}

/**
 * A group in which the expert alone falls behind the network, by McNemar's test over its images, and further behind than
 * on the images of all other groups; of several the one in which it falls furthest behind.
 */
function weakness({
  classes,
  images,
  share,
  superclasses,
  alone,
  independence,
  counted,
}: CaptionEvidence): string[] {
  const names = superclasses?.names ?? classes
  const groups = names.map(() => ({ images: 0, together: 0, lost: 0, gained: 0 }))
  for (const c of classes.keys()) {
    const group = groups[superclasses === undefined ? c : (superclasses.of[c] ?? -1)]
    if (group === undefined) continue
    group.images += images[c]!
    group.together += alone.together[c] ?? 0
    group.lost += alone.lost[c] ?? 0
    group.gained += alone.gained[c] ?? 0
  }
  const all = groups.reduce((sum, group) => ({
    images: sum.images + group.images,
    together: sum.together + group.together,
    lost: sum.lost + group.lost,
    gained: sum.gained + group.gained,
  }))
  const comparisons = groups.filter(group => group.images > 0).length * share.length
  const [most] = groups
    .map((group, g) => ({ ...group, name: readable(names[g]!), behind: lossOf(group).mean }))
    .filter(group => {
      if (group.images < fewestImages || group.behind < weak) return false
      const others = {
        images: all.images - group.images,
        lost: all.lost - group.lost,
        gained: all.gained - group.gained,
      }
      const isBehind = mcnemar({ first: group.lost, second: group.gained }) * comparisons <= significanceLevel
      return isBehind && probabilityOfMoreLoss(group, others, independence) * comparisons <= significanceLevel
    })
    .sort((a, b) => b.behind - a.behind)
  if (most === undefined) return []
  const right = (count: number): string => percent(count / most.images)
  const alike = `${right(most.together - most.lost + most.gained)} ${counted} alone, ${right(most.together)} together`
  return [`weak in ${most.name} (${alike})`]
}

interface Losses {
  readonly images: number
  readonly lost: number
  readonly gained: number
}

/** What an image loses, 1 for lost, −1 for gained and else 0: mean and squared standard error. */
function lossOf({ images, lost, gained }: Losses): { readonly mean: number; readonly squaredError: number } {
  const mean = (lost - gained) / images
  // As of one image more that is lost and one that is gained: few images without a difference are no certainty.
  const variance = (lost + gained + 2) / (images + 2) - ((lost - gained) / (images + 2)) ** 2
  return { mean, squaredError: variance / images }
}

/** Two-sided, by the normal distribution; 1 where a group loses no more than the others, or there are none. */
function probabilityOfMoreLoss(group: Losses, others: Losses, independence: number): number {
  if (others.images < fewestImages) return 1
  const [own, rest] = [lossOf(group), lossOf(others)]
  const z = (own.mean - rest.mean) / Math.sqrt(own.squaredError + rest.squaredError / independence)
  return z <= 0 ? 1 : 2 * normalTail(z)
}

function percent(fraction: number): string {
  return fraction < 0.1 ? `${(100 * fraction).toFixed(1)} %` : `${Math.round(100 * fraction)} %`
}

/** `fruit_and_vegetables` as one would write it. */
function readable(name: string): string {
  return name.replaceAll('_', ' ')
}
