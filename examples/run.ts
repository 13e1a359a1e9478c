/** Runs every example and prints what each achieved: `npm run examples`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trainConvnext } from './convnext.ts'
import { trainUntilGood } from './custom-callback.ts'
import { shares, threeExperts } from './custom-constraint.ts'
import { trainOnParquet } from './custom-data.ts'
import { contrastGate, twoExperts } from './custom-gate.ts'
import { trainWithMetric } from './custom-metric.ts'
import { trainVgg } from './custom-network.ts'
import { trainByLion } from './custom-optimizer.ts'
import { trainOnStripes } from './tiny-training.ts'

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

/** What each achieved, in words; it may write into a folder. */
const examples: Readonly<Record<string, (folder: string) => Promise<string>>> = {
  'custom-network': async folder => {
    const { trained, alone } = await trainVgg(folder)
    return `${percent(trained)} of test images right, ${percent(alone)} by the first expert alone`
  },
  convnext: async folder => {
    const { accuracy, layer } = await trainConvnext(folder)
    return `${percent(accuracy)} right; shares of the experts ${layer.importance.map(percent).join(', ')}`
  },
  'custom-data': async folder =>
    `${percent(await trainOnParquet(folder))} right, on images from a Parquet file`,
  'custom-gate': async () => {
    const { accuracy } = await trainOnStripes(twoExperts(contrastGate), 60)
    return `${percent(accuracy)} right, with an expert for faint images and one for bold ones`
  },
  'custom-constraint': async () => {
    const { accuracy, state } = await trainOnStripes(threeExperts(shares([0.6, 0.3, 0.1])), 80)
    const held = [...state.get('mixture.constraint.a')!.data].map(Number)
    return `${percent(accuracy)} right; shares ${held.map(percent).join(', ')}, wanted 60 %, 30 %, 10 %`
  },
  'custom-optimizer': async folder => `${percent(await trainByLion(folder))} right, by Lion`,
  'custom-metric': async folder =>
    `${percent(await trainWithMetric(folder))} right of the class that is recognised least often`,
  'custom-callback': async folder => {
    const { accuracy, epochs } = await trainUntilGood(folder)
    return `${percent(accuracy)} right; the callback ended it after ${epochs} of 30 epochs`
  },
}

const folder = mkdtempSync(join(tmpdir(), 'moiety-examples-'))
try {
  const width = Math.max(...Object.keys(examples).map(name => name.length))
  for (const [name, run] of Object.entries(examples)) {
    const begin = performance.now()
    const achieved = await run(join(folder, name))
    const seconds = ((performance.now() - begin) / 1000).toFixed(1).padStart(5)
    process.stdout.write(`${name.padEnd(width)}  ${seconds} s  ${achieved}\n`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
