import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { clean } from './screen.ts'

/** The variable by which a dashboard knows that a training has started it, and ends with it. */
export const dashboardVariable = 'MOIETY_DASHBOARD'

/** A dashboard in a process of its own, so that it answers while the training computes and cannot disturb it. */
export interface StartedDashboard {
  stop(): void
}

/**
 * Starts `moiety watch` for the folder of a run. Node's channel ends it with this process, however that ends.
 *
 * @param say - is given the address, or why there is none: a training does not end for its dashboard
 */
export async function startDashboard(run: string, say: (text: string) => void): Promise<StartedDashboard> {
  mkdirSync(run, { recursive: true })
  const child = spawn(process.execPath, [process.argv[1]!, 'watch', '--json', '--', run], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, [dashboardVariable]: '1' },
  })
  const address = await addressOf(child)
  say(
    address === undefined
      ? 'warning: the dashboard could not be started; the training goes on'
      : `dashboard: ${address}`,
  )
  child.unref()
  child.channel?.unref()
  return {
    stop: () => {
      if (child.connected) child.disconnect()
    },
  }
}

function addressOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise(resolve => {
    child.once('error', () => resolve(undefined))
    child.once('exit', () => resolve(undefined))
    child.stderr?.resume()
    createInterface({ input: child.stdout! }).once('line', line => {
      try {
        const { address }: { readonly address?: unknown } = JSON.parse(line)
        resolve(typeof address === 'string' ? clean(address) : undefined)
      } catch {
        resolve(undefined)
      }
    })
  })
}
