import { createInterface } from 'node:readline'
import type { Case } from './cases.js'
import { Exported } from './exported.js'
import { Ours, type OursOptions } from './moiety-program.js'

/**
 * Our side of the bench, a process like PyTorch's, so that the memory of each can be compared: the case is its argument,
 * then each line of stdin asks for so many runs.
 */
const { threads, replicas, device, dispatch, ...timed }: Case & OursOptions = JSON.parse(
  process.argv[2] ?? '',
)
const say = (answer: object): void => console.log(JSON.stringify(answer))

async function prepared(): Promise<Ours | Exported> {
  if (timed.task === 'inference') return await Exported.prepare(timed, threads)
  try {
    return await Ours.prepare(timed, {
      threads,
      ...(replicas === undefined ? {} : { replicas }),
      ...(device === undefined ? {} : { device }),
      ...(dispatch === undefined ? {} : { dispatch }),
    })
  } catch (error) {
    if (device === undefined) throw error
    say({ failure: error instanceof Error ? error.message : String(error) })
    process.exit(0)
  }
}

const side = await prepared()
say({ torch: null, threads, parameters: side.parameterCount })
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const seconds: number[] = []
    for (let run = 0; run < Number(line); run++) seconds.push(await side.time())
    say({ seconds, peakBytes: process.resourceUsage().maxRSS * 1024 })
  } catch (error) {
    say({ failure: error instanceof Error ? error.message : String(error) })
    break
  }
}
await side.stop()
