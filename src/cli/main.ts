#!/usr/bin/env node
/**
 * The command `moiety`, as a process. As process 1 of a container it would ignore signals for which it has no handler, so handlers are the
 * first thing that runs: this file imports nothing before they are there.
 */
const ended = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
const early = Object.entries(ended).map(([signal, code]) => ({ signal, end: () => process.exit(code) }))
if (process.pid === 1) for (const { signal, end } of early) process.on(signal, end)

const { runProgram } = await import('./program.ts')
process.exitCode = await runProgram(() => {
  for (const { signal, end } of early) process.off(signal, end)
})

export {}
