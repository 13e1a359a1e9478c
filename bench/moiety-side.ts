import { createInterface } from 'node:readline'
import type { Case } from './cases.js'
import { Exported } from './exported.js'
import { Ours } from './moiety-program.js'

/**
 * Our side of the bench, a process like PyTorch's, so that the memory of each can be compared: the case is its argument,
 * then each line of stdin asks for so many runs.
 */
const { threads, replicas, ...timed }: Case & { readonly threads: number; readonly replicas: number } =
  JSON.parse(process.argv[2] ?? '')
const say = (answer: object): void => console.log(JSON.stringify(answer))

const side =
  timed.task === 'training'
    ? await Ours.prepare(timed, { threads, replicas })
    : await Exported.prepare(timed, threads)
say({ torch: null, threads, parameters: side.parameterCount })
for await (const line of createInterface({ input: process.stdin })) {
  const seconds: number[] = []
  for (let run = 0; run < Number(line); run++) seconds.push(await side.time())
  say({ seconds, peakBytes: process.resourceUsage().maxRSS * 1024 })
}
await side.stop()
