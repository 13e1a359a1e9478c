import { fail } from './errors.ts'

/**
 * Rejects a number that is invalid for an option. NaN and undefined would otherwise be computed with: every parameter is then NaN after a
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
    help: 'pass such a number',
  })
}

/** Whether it is a positive integer. */
export function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1
}
