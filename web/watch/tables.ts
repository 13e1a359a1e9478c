import { element } from '../views/elements.ts'

/** A table that may be wider than the page: it scrolls, also by the keyboard. */
export function wide(name: string, table: HTMLTableElement): HTMLElement {
  return element('div', { class: 'wide', tabindex: '0', role: 'region', 'aria-label': name }, table)
}

/** Rows of a key and its value. */
export function fillPairs(table: HTMLTableElement, pairs: readonly (readonly [string, string])[]): void {
  table.replaceChildren(
    element(
      'tbody',
      {},
      ...pairs.map(([key, value]) =>
        element('tr', {}, element('th', { scope: 'row' }, key), element('td', {}, value)),
      ),
    ),
  )
}
