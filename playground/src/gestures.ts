import { byId } from '../../web/views/elements.ts'
import { chosenFiles, filesOf, type GivenFile } from './dropped.ts'

/** What a visitor can do besides the settings. */
export interface Gestures {
  play(): void
  step(): void
  restart(): void
  /** Back to the bundled sample. */
  useSample(): void
  copyLink(): void
  take(given: readonly GivenFile[]): void
  failed(cause: unknown): void
}

/** Listens to buttons, keys, file dialogs and drops. */
export function listen(gestures: Gestures): void {
  const on = (id: string, act: () => void): void => byId(id, HTMLElement).addEventListener('click', act)
  on('play', gestures.play)
  on('step', gestures.step)
  on('restart', gestures.restart)
  on('sample', gestures.useSample)
  on('link', gestures.copyLink)
  listenToDialog(gestures)
  listenToKeys(gestures)
  listenToDrops(gestures)
}

function listenToDialog({ take }: Gestures): void {
  const dialog = byId('opening', HTMLDialogElement)
  byId('open', HTMLElement).addEventListener('click', () => dialog.showModal())
  for (const id of ['files', 'folder']) {
    const input = byId(id, HTMLInputElement)
    byId(`choose-${id}`, HTMLElement).addEventListener('click', () => {
      dialog.close()
      input.click()
    })
    input.addEventListener('change', () => {
      if (input.files !== null) take(chosenFiles(input.files))
      input.value = ''
    })
  }
}

function listenToKeys({ play, step, restart }: Gestures): void {
  const keys: Readonly<Record<string, () => void>> = { ' ': play, s: step, r: restart }
  document.addEventListener('keydown', event => {
    const isInField =
      event.target instanceof Element && event.target.closest('input, select, button, summary, dialog, a')
    if (isInField || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return
    keys[event.key]!()
    event.preventDefault()
  })
}

function listenToDrops({ take, failed }: Gestures): void {
  const dropping = byId('dropping', HTMLElement)
  document.addEventListener('dragover', event => {
    event.preventDefault()
    dropping.hidden = false
  })
  document.addEventListener('dragleave', event => {
    if (event.relatedTarget === null) dropping.hidden = true
  })
  document.addEventListener('drop', event => {
    event.preventDefault()
    dropping.hidden = true
    if (event.dataTransfer !== null) void filesOf(event.dataTransfer).then(take, failed)
  })
}
