import type { Findings } from '../analysis/findings.ts'
import { measuresOf } from '../tasks/measures.ts'
import { chartFigure, type TitledChart } from './cost-charts.ts'
import { learningCharts } from './learning-charts.ts'
import { html, type Markup, shown } from './markup.ts'

export const learningAnchor = 'learning'

/** A run's learning curves, with a band where the run that it is compared with differs only in the seed; null without a log. */
export function learningSection(findings: Findings): Markup | null {
  const charts = learningOf(findings)
  if (charts.length === 0) return null
  const { learning } = findings
  const seeds =
    learning.length < 2
      ? ''
      : ` Means over ${learning.map(({ run, seed }) => `${shown(run)} (seed ${seed})`).join(' and ')}, which differ in nothing else.`
  return html`<section id="${learningAnchor}" aria-labelledby="learning-title"><h2 id="learning-title">Learning curves</h2>
${seeds === '' ? null : html`<p class="lead small muted">${seeds.trim()}</p>`}<div class="figures">${charts.map(one => chartFigure(one, 420))}</div></section>`
}

/** The charts of it. */
export function learningOf({ learning, measures, run }: Findings): TitledChart[] {
  const [ranking] = measuresOf(measures)
  return learningCharts([{ name: run.name, shade: 0, runs: learning.map(({ points }) => points) }], ranking)
}
