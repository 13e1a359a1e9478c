/** An element with classes, attributes and children; text is only ever text. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

/** The element with an id. */
export function byId<Kind extends HTMLElement>(
  id: string,
  kind: abstract new (...args: never[]) => Kind,
): Kind {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} called ${id}`)
  return found
}

/** Sets a text where it has changed, so that nothing is read or laid out again. */
export function setText(place: Element, text: string): void {
  if (place.textContent !== text) place.textContent = text
}

/** The chip of an expert: its number in its colour. */
export function chip(expert: number): HTMLElement {
  return element('span', { class: `chip e${expert % 16}` }, String(expert))
}

const thin = '\u202f'

/** 0.4213 → "42 %" */
export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}${thin}%`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
