/**
 * Runs `count` tasks, `atOnce` of them concurrently, and yields their results in order. A consumer that stops early waits for those that
 * are running.
 *
 * @throws the error of the first task that fails, in order
 */
export async function* inOrder<T>(
  count: number,
  atOnce: number,
  begin: (number: number) => Promise<T>,
): AsyncGenerator<T, void, void> {
  const running: Promise<T>[] = []
  const start = (number: number): void => {
    const promise = begin(number)
    // Errors surface in order, not earlier.
    promise.catch(() => undefined)
    running.push(promise)
  }
  try {
    for (let number = 0; number < Math.min(count, atOnce); number++) start(number)
    for (let number = 0; number < count; number++) {
      const result = await running[0]!
      running.shift()
      if (number + atOnce < count) start(number + atOnce)
      yield result
    }
  } finally {
    await Promise.allSettled(running)
  }
}
