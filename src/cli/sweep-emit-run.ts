export function emitSweep(..._: unknown[]): number {
  return 0
}
