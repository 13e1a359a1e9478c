import type { ModelMetadata } from '../../src/export/metadata.ts'
import type { Verdict } from './classifier.ts'

/** How a verdict looks. Names come from a file, so they are only ever text. */

const shownClasses = 5

/** The children of `parent` become `children`. */
function fill(parent: Element, children: readonly Node[]): void {
  parent.replaceChildren(...children)
}

function element(tag: string, className: string, ...children: readonly (Node | string)[]): HTMLElement {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  made.append(...children)
  return made
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`

/** The most likely classes, with a bar each. */
export function showClasses(list: Element, { logits }: Verdict, metadata: ModelMetadata): void {
  const { classes, superclasses, superclass_of: superclassOf } = metadata
  const ranked = [...softmax(logits).entries()].sort((a, b) => b[1] - a[1]).slice(0, shownClasses)
  fill(
    list,
    ranked.map(([label, probability]) => {
      const superclass = superclasses?.[superclassOf?.[label] ?? -1]
      const name = element('span', '', classes[label] ?? `class ${label}`)
      if (superclass !== undefined) name.append(element('small', '', superclass))
      const bar = element('span', 'bar')
      bar.style.setProperty('--share', String(probability))
      return element('li', '', name, element('span', 'percent', percent(probability)), bar)
    }),
  )
}

/** For each mixture of experts, its experts as lamps: the more one counts for this image, the brighter. */
export function showExperts(place: Element, { weights }: Verdict, { layers, captions }: ModelMetadata): void {
  fill(
    place,
    layers.map(({ name, k, experts }) => {
      const list = element('ul', 'experts')
      for (const [expert, weight] of (weights.get(name) ?? []).entries()) {
        list.append(lamp(expert, weight, captions[name]?.[expert] ?? null))
      }
      const title = element(
        'h2',
        '',
        `Experts of ${name} `,
        element('small', '', `${k} of ${experts} at work`),
      )
      return element('section', 'layer', title, list)
    }),
  )
}

function lamp(expert: number, weight: number, caption: string | null): HTMLElement {
  const isLit = weight > 0
  const light = element('span', 'lamp')
  light.setAttribute('aria-hidden', 'true')
  const tile = element(
    'li',
    isLit ? 'expert lit' : 'expert',
    light,
    element('strong', '', `Expert ${expert}`),
    element('span', 'percent', isLit ? percent(weight) : 'rests'),
  )
  if (caption !== null) tile.append(element('span', 'caption', caption))
  tile.style.setProperty('--share', String(weight))
  // What is lit at all is seen to be.
  tile.style.setProperty('--glow', String(isLit ? 0.25 + 0.75 * weight : 0))
  return tile
}

function softmax(logits: Float32Array): number[] {
  const largest = Math.max(...logits)
  const powers = Array.from(logits, logit => Math.exp(logit - largest))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map(power => power / sum)
}
