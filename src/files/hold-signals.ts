const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/**
 * Runs a short piece of synchronous work that a signal must not cut in two. Where a signal would end the process it does so afterwards;
 * where somebody listens already, nothing changes: listeners are called when the work is over.
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
    // The event loop looks for signals between the two, so none is lost.
    setImmediate(() =>
      setImmediate(() => {
        for (const { signal, listen } of listeners) process.off(signal, listen)
      }),
    )
  }
}
