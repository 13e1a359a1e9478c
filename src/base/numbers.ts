import { fail } from './errors.ts'

/**
 * Refuses a number that an option cannot be. NaN and undefined would be computed with: every parameter is then NaN after a
 * step whose loss and gradient are finite.
 *
 * @throws MoietyError (usage)
 */
export function checkNumber(
  given: unknown,
  isRight: (value: number) => boolean,
  { where, expected }: { readonly where: string; readonly expected: string },
): void {
  if (typeof given === 'number' && Number.isFinite(given) && isRight(given)) return
  fail({
    kind: 'usage',
    message: `expected ${expected}, but got ${String(given)}`,
    where,
    help: 'give such a number',
  })
}

/** Whether it counts something that there is: a whole number from 1. */
export function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1
}
