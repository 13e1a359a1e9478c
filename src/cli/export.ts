import type { Command } from 'commander'
import { addCheckpointFlags } from './checkpoint-flags.ts'
import type { ExportFlags } from './flags.ts'

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .summary('write a trained run as an ONNX file')
    .description(
      'Writes a checkpoint of a run as one ONNX file (of a detector on two canvases as two) that runs in any ONNX Runtime: Node, Python, a browser.',
    )
    .argument('<run>', "the run's folder")
    .option(
      '--out <file>',
      'the file to write; model.onnx in the run when left out. Of two canvases each adds its size',
    )
    .option(
      '--routing <kind>',
      'sparse: compute the chosen experts only; dense: compute all, with fixed shapes, for engines that need those',
      'sparse',
    )
    .option('--batch <n>', 'images at once, or N for any number; N for sparse and 1 for dense when left out')
    .option('--uint8', 'take pixels from 0 to 255 as uint8, and normalise inside')
    .option('--channels-last', 'take [N, H, W, 3], as image decoders give it, instead of [N, 3, H, W]')
    .option(
      '--safetensors [dir]',
      'besides, write model.safetensors, config.json and a model card as for a hub; into hub/ in the run when left out',
    )
    .option(
      '--measure',
      'then measure how long it takes on the CPU, sparse and dense, for 1 and 128 images at once, and keep that as latency.json in the run',
    )
    .option('--threads <n>', 'threads of --measure, instead of all')
    .option('--json', 'print what was written as JSON')
  addCheckpointFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  moiety export runs/sample-1
  moiety export runs/sample-1 --uint8 --channels-last --out drawings.onnx
  moiety export runs/sample-1 --routing dense --batch 1
  moiety export runs/sample-1 --safetensors my-model`,
    )
    .action(async (run: string, flags: ExportFlags) => {
      const { runExport } = await import('./export-run.ts')
      process.exitCode = await runExport(run, flags)
    })
}
