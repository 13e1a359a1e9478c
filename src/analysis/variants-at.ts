import type { VariantResult } from '../tasks/task.ts'
import type { Mixture, Variant } from '../tasks/variants.ts'

/** The variants of a kind of one mixture, in their order. */
export function variantsAt<V extends VariantResult>(
  variants: readonly V[],
  { place }: Pick<Mixture, 'place'>,
  kind: Variant['kind'],
): V[] {
  return variants.filter(
    ({ variant }) => variant.kind === kind && 'place' in variant && variant.place === place,
  )
}
