/** Files read at a time; the decoder has its own threads, and more would wait for it. */
const together = 8

/**
 * Applies an asynchronous function to each item, a few at a time; results are in the order of the items. After a failure no other
 * item is begun.
 *
 * @param onProgress - called after each item
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
  onProgress?: (done: number, total: number) => void,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  let done = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++
      try {
        results[at] = await action(items[at]!)
        onProgress?.(++done, items.length)
      } catch (cause) {
        next = items.length
        throw cause
      }
    }
  }
  await Promise.all(Array.from({ length: together }, worker))
  return results
}
