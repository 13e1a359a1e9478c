import { draws } from '../base/random.ts'

/** Share of the files of a class that are for testing where the folder has neither `val/` nor `test/`. */
const testShare = 0.2

/** A fifth of the files of every class for testing, at random by `seed`; at least one stays for training. */
export function splitByFile<I extends { readonly label: number }>(
  items: readonly I[],
  classes: number,
  seed: number,
): { readonly train: readonly I[]; readonly test: readonly I[] } {
  const testing = new Set<I>()
  const byClass = Array.from({ length: classes }, (): I[] => [])
  for (const item of items) byClass[item.label]!.push(item)
  for (const [label, own] of byClass.entries()) {
    const order = draws(seed, 'folder split', 0, label).permutation(own.length)
    const count = Math.min(Math.ceil(own.length * testShare), own.length - 1)
    for (const place of order.subarray(0, count)) testing.add(own[place]!)
  }
  return { train: items.filter(item => !testing.has(item)), test: items.filter(item => testing.has(item)) }
}
