/** Files read at a time; the decoder has its own threads, and more would wait for it. */
const together = 8

/**
 * Applies an asynchronous function to each item, a few at a time, in order.
 *
 * @param onProgress - called after each group
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
  onProgress?: (done: number, total: number) => void,
): Promise<R[]> {
  const results: R[] = []
  for (let first = 0; first < items.length; first += together) {
    results.push(...(await Promise.all(items.slice(first, first + together).map(action))))
    onProgress?.(results.length, items.length)
  }
  return results
}
