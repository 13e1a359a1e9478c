import { createHash } from 'node:crypto'

/**
 * The only script of the page: a box that shows the classes whose name contains the typed text. Without it the box stays
 * hidden and nothing is missing.
 */
export const script = `(() => {
  const box = document.querySelector('.filter')
  const input = box?.querySelector('input')
  const output = box?.querySelector('output')
  if (!input || !output) return
  box.hidden = false
  input.addEventListener('input', () => {
    const wanted = input.value.toLocaleLowerCase()
    let found = 0
    for (const group of document.querySelectorAll('#routes tbody')) {
      let any = false
      for (const row of group.querySelectorAll('tr[data-name]')) {
        row.hidden = !row.dataset.name.toLocaleLowerCase().includes(wanted)
        any ||= !row.hidden
        found += Number(!row.hidden)
      }
      group.hidden = !any
    }
    output.textContent = wanted === '' ? '' : found + (found === 1 ? ' class' : ' classes')
  })
})()`

/** What the content security policy allows: this script and no other. */
export function scriptHash(): string {
  return `sha256-${createHash('sha256').update(script).digest('base64')}`
}
