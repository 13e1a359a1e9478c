import type { CheckedImage } from './checked-images.ts'
import type { FoundProblems } from './found-problems.ts'

/**
 * Reports images of the same bytes: in several splits, several times in one, and with different labels.
 *
 * @param images - in the order train, val, test
 * @returns those that a repaired copy leaves out
 */
export function findDuplicates(
  images: readonly CheckedImage[],
  problems: FoundProblems,
): ReadonlySet<CheckedImage> {
  const surplus = new Set<CheckedImage>()
  for (const [first, ...copies] of groupsOf(images)) {
    for (const copy of copies) {
      const kind = copy.split === first!.split ? 'duplicate-in-split' : 'duplicate-across-splits'
      problems.add(kind, `${problems.pathOf(copy.path)} = ${problems.pathOf(first!.path)}`)
      surplus.add(copy)
    }
    // Boxes may differ by a pixel, so that only classes of whole images are compared.
    const other = first!.objects === undefined && copies.find(copy => !isAlike(copy.labels, first!.labels))
    if (other === undefined || other === false) continue
    problems.add('conflicting-labels', `${problems.pathOf(other.path)} = ${problems.pathOf(first!.path)}`)
    surplus.add(first!)
  }
  return surplus
}

/** Images of the same content, where there are several. */
function groupsOf(images: readonly CheckedImage[]): readonly (readonly CheckedImage[])[] {
  const first = new Map<string, CheckedImage>()
  const groups = new Map<string, CheckedImage[]>()
  for (const image of images) {
    const before = first.get(image.hash)
    if (before === undefined) first.set(image.hash, image)
    else groups.set(image.hash, [...(groups.get(image.hash) ?? [before]), image])
  }
  return [...groups.values()]
}

function isAlike(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((label, i) => label === b[i])
}
