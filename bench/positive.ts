import { InvalidArgumentError } from 'commander'

/** An option's text as a positive whole number. @throws InvalidArgumentError for any other */
export function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a positive whole number')
  return value
}
