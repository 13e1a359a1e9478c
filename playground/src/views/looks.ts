import { element, percent } from '../../../web/views/elements.ts'
import type { Look } from '../training/training.ts'

const shownClasses = 3

/** How a run sees one image: its experts as lamps, the more one counts the brighter, and the likeliest classes. */
export function lookView(
  title: string,
  look: Look | undefined,
  classes: readonly string[],
  experts: number,
): HTMLElement {
  const weights = look?.weights.at(-1)
  const lamps = Array.from({ length: experts }, (_, expert) => {
    const weight = weights?.[expert] ?? 0
    const lamp = element('li', { class: `lamp e${expert % 16}${weight > 0 ? ' lit' : ''}` }, String(expert))
    lamp.style.setProperty('--share', String(weight))
    lamp.append(
      element('span', { class: 'hidden-text' }, weight > 0 ? ` computes it, ${percent(weight)}` : ' rests'),
    )
    return lamp
  })
  const ranked = look === undefined ? [] : [...look.classes.entries()].toSorted((a, b) => b[1] - a[1])
  const likeliest = ranked
    .slice(0, shownClasses)
    .map(([label, share]) =>
      element(
        'li',
        {},
        element('span', {}, classes[label] ?? ''),
        element('span', { class: 'num' }, percent(share)),
      ),
    )
  return element(
    'div',
    { class: 'look' },
    element('h3', {}, title),
    element('ol', { class: 'lamps', 'aria-label': 'Experts' }, ...lamps),
    element('ol', { class: 'likeliest', 'aria-label': 'Likeliest classes' }, ...likeliest),
  )
}
