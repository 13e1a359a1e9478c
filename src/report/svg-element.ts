/** What is needed of an element of SVG, whoever has made the document. */
export interface SvgElement {
  readonly localName: string
  readonly parentElement: SvgElement | null
  readonly children: Iterable<SvgElement>
  readonly textContent: string | null
  innerHTML: string
  outerHTML: string
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  querySelectorAll(selector: string): Iterable<SvgElement>
  insertAdjacentHTML(place: 'afterend', text: string): void
  remove(): void
}

/** The value of an attribute here, or of the closest element around that has it. */
export function inherited(element: SvgElement, name: string): string | null {
  for (let at: SvgElement | null = element; at !== null; at = at.parentElement) {
    const value = at.getAttribute(name)
    if (value !== null) return value
  }
  return null
}
