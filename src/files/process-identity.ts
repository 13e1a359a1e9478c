/** Where a process number identifies a process, and whether the process that had one still runs. */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { codeOf } from './disk.ts'

const textOf = (read: () => string): string | undefined => {
  try {
    return read().trim()
  } catch {
    return undefined
  }
}

/** Identifies one boot of the kernel; undefined where the system does not report it. */
export function bootId(): string | undefined {
  return textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))
}

/**
 * Where a process number identifies a process: one boot of one machine, one PID namespace, and one host name, hashed to 12
 * hexadecimal digits. Two containers have different PID namespaces even if they have the same host name. Undefined on a Linux
 * system that does not report it, for example without /proc: no process of another program run can then be queried. Other
 * systems have no PID namespaces, so the host name is enough there.
 */
export function pidNamespace(): string | undefined {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
  if (process.platform !== 'linux') return hash(`${process.platform} ${hostname()}`)
  const boot = bootId()
  const namespace = textOf(() => readlinkSync('/proc/self/ns/pid'))
  if (boot === undefined || namespace === undefined) return undefined
  return hash(`${boot} ${namespace} ${hostname()}`)
}

/**
 * State and time of start (fields 3 and 22) of /proc/PID/stat. Undefined where /proc is that of another PID namespace, as after
 * `unshare --pid` alone: the same number is another process there.
 */
export function statOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  if (textOf(() => readlinkSync('/proc/self')) !== String(process.pid)) return undefined
  const stat = textOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The program's name is in parentheses, and may contain spaces and parentheses itself.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, started] = [fields?.[0], fields?.[19]]
  return state === undefined || started === undefined ? undefined : { state, started }
}

/** A process as another one recorded it. */
export interface RecordedProcess {
  readonly place: string | null | undefined
  readonly pid: number
  /** Clock tick of its start; undefined or null where the system does not report it. */
  readonly ticks: string | null | undefined
}

/** Whether a recorded process has ended; undefined where it cannot be queried from here. */
export function processHasEnded({ place, pid, ticks }: RecordedProcess): boolean | undefined {
  if (place === undefined || place === null || place !== pidNamespace()) return undefined
  try {
    process.kill(pid, 0)
  } catch (cause) {
    // EPERM: it runs, as another user.
    if (codeOf(cause) !== 'EPERM') return true
  }
  const now = statOf(pid)
  // A zombie has ended, and a process that started at another time has only the same number.
  return now !== undefined && (now.state === 'Z' || (typeof ticks === 'string' && now.started !== ticks))
}
