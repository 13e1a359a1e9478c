import { type MeasuredTraining, measureTraining } from './measured-training.ts'

/** A process of its own that takes steps of a training and reports its memory. Its arguments: the configuration as JSON. */

// Whoever asked is gone.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
const text = process.argv[2]
if (text !== undefined) {
  const answer: MeasuredTraining = await measureTraining(JSON.parse(text)).catch((cause: unknown) => ({
    reason: cause instanceof Error ? cause.message : String(cause),
  }))
  process.send?.(answer, () => process.exit(0))
}
