/** The number by which finished runs are ranked, from 0 to 1: a classifier's accuracy, or a detector's average precision. */
export interface Score {
  readonly name: 'top-1' | 'AP'
  readonly value: number
}

/** The score of a run; null where it has none. */
export function scoreOf({
  top1,
  detection,
}: {
  readonly top1: number | null
  readonly detection: { readonly AP: number | null } | null
}): Score | null {
  if (top1 !== null) return { name: 'top-1', value: top1 }
  const precision = detection?.AP ?? null
  return precision === null ? null : { name: 'AP', value: precision }
}
