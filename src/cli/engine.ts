/** The doors to all that computes, opened only when a command goes through them. */
import type { DetectorEvalOptions, DetectorEvalSummary, EvalOptions, EvalSummary } from '../evaluate/index.ts'
import type {
  ComparedRun,
  CompareOptions,
  DetectorExplanation,
  ExplainDetectorOptions,
  ExplainOptions,
  Explanation,
  Findings,
  PictureOfImage,
  Predictions,
  PredictOptions,
} from '../explain/index.ts'
import type { ChartFile } from '../report/index.ts'
import type { SweepPage } from '../report/sweep-page.ts'
import type { TrainSummary } from '../run/events.ts'
import type { TrainedWhere } from '../train/device-probe.ts'
import type { TrainOptions } from '../train/index.ts'

export type { DetectorEvalSummary, EvalOptions, EvalSummary, TrainOptions }

export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { train: run } = await import('../train/loop.ts')
  return await run(options)
}

export async function requireTraining(
  configs: readonly TrainedWhere[],
  options: { readonly signal?: AbortSignal; readonly onProbe?: (device: string) => void } = {},
): Promise<void> {
  // Not even loaded where there is nothing to try.
  if (configs.every(({ engine }) => engine.device === 'cpu')) return
  const { requireTraining: require } = await import('../train/device-probe.ts')
  await require(configs, options)
}

export async function evaluateRun(options: EvalOptions): Promise<EvalSummary> {
  const { evaluateRun: run } = await import('../evaluate/index.ts')
  return await run(options)
}

export async function isDetectorRun(run: string): Promise<boolean> {
  const { isDetectorRun: isDetector } = await import('../evaluate/index.ts')
  return isDetector(run)
}

export async function evaluateDetectorRun(options: DetectorEvalOptions): Promise<DetectorEvalSummary> {
  const { evaluateDetectorRun: run } = await import('../evaluate/index.ts')
  return await run(options)
}

export async function explainRun(options: ExplainOptions): Promise<Explanation> {
  const { explainRun: run } = await import('../explain/index.ts')
  return await run(options)
}

export async function explainDetectorRun(
  options: ExplainDetectorOptions,
): Promise<DetectorExplanation | undefined> {
  const { explainDetectorRun: run } = await import('../explain/index.ts')
  return await run(options)
}

export async function renderDetectorReport({ findings, scenes }: DetectorExplanation): Promise<string> {
  const { renderDetectorReport: render } = await import('../report/index.ts')
  return render(findings, scenes)
}

export async function renderReport(findings: Findings, pictures: readonly PictureOfImage[]): Promise<string> {
  const { renderReport: render } = await import('../report/index.ts')
  return render(findings, pictures)
}

export async function chartFiles(findings: Findings): Promise<ChartFile[]> {
  const { chartFiles: draw } = await import('../report/index.ts')
  return draw(findings)
}

export async function predictRun(options: PredictOptions): Promise<Predictions> {
  const { predictRun: run } = await import('../explain/index.ts')
  return await run(options)
}

export async function renderPredictions(predictions: Predictions): Promise<string> {
  const { renderPredictions: render } = await import('../report/index.ts')
  return render(predictions)
}

export async function compareRuns(options: CompareOptions): Promise<ComparedRun[]> {
  const { compareRuns: run } = await import('../explain/index.ts')
  return await run(options)
}

export async function renderComparison(runs: readonly ComparedRun[]): Promise<string> {
  const { renderComparison: render } = await import('../report/index.ts')
  return render(runs)
}

export async function renderSweep(page: SweepPage): Promise<string> {
  const { renderSweep: render } = await import('../report/sweep-page.ts')
  return render(page)
}
