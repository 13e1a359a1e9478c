import { type Command, Option } from 'commander'
import type { EvalDetectionsFlags } from './flags.ts'
import { orders } from './flags.ts'

export function addEvalDetections(program: Command): void {
  program
    .command('eval-detections')
    .summary("COCO's numbers for detected boxes")
    .description(
      "COCO's twelve numbers, AP and AR, of detected boxes against annotated ones, as pycocotools gives them.",
    )
    .argument('<annotations>', 'what is in the images: an annotation file in COCO format')
    .argument('<detections>', 'what was detected: a results file in COCO format')
    .option('--per-category', 'a line for each category, too')
    .addOption(new Option('--sort <order>', 'of the categories').choices(orders).default('best'))
    .option('--sizes <small,medium>', 'sides in pixels that part small, medium and large', '32,96')
    .option('--json', 'print all numbers, of each category and IoU, as JSON')
    .addHelpText(
      'after',
      `
Examples:
  moiety eval-detections instances_val2017.json detections.json
  moiety eval-detections instances_val2017.json detections.json --per-category --sort worst
  moiety eval-detections instances_val2017.json detections.json --json > ap.json`,
    )
    .action(async (annotations: string, detections: string, flags: EvalDetectionsFlags) => {
      const { runDetectionEvaluation } = await import('./eval-detections-run.ts')
      runDetectionEvaluation(annotations, detections, flags)
    })
}
