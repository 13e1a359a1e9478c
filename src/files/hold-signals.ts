const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/**
 * Runs a short piece of synchronous work that a signal must not interrupt. A signal that would end the process does so afterwards;
 * existing listeners are called when the work is done.
 */
export function holdSignals<T>(work: () => T): T {
  const held = signals.filter(signal => process.listenerCount(signal) === 0)
  const listeners = held.map(signal => {
    const listen = (): void => {
      process.off(signal, listen)
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    }
    process.on(signal, listen)
    return { signal, listen }
  })
  try {
    return work()
  } finally {
    // The event loop handles signals between the two, so none is lost.
    setImmediate(() =>
      setImmediate(() => {
        for (const { signal, listen } of listeners) process.off(signal, listen)
      }),
    )
  }
}
