/**
 * Does `count` things, `atOnce` of them at a time, and gives their results in order. Whoever leaves early waits for those that
 * have begun.
 *
 * @throws what the first one that fails throws, once its turn has come
 */
export async function* inOrder<T>(
  count: number,
  atOnce: number,
  begin: (number: number) => Promise<T>,
): AsyncGenerator<T, void, void> {
  const running: Promise<T>[] = []
  const start = (number: number): void => {
    const promise = begin(number)
    // It fails when it is its turn, not before.
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
