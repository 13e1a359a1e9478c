import { readFileSync } from 'node:fs'

/**
 * The most memory in bytes that this process has had at once. On Linux not by `getrusage`, whose number begins with that of the process
 * that started this one.
 */
export function largestMemory(): number {
  const { maxRSS } = process.resourceUsage()
  if (process.platform !== 'linux') return maxRSS * 1024
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return (kilobytes === undefined ? maxRSS : Number(kilobytes)) * 1024
}
