import { Classifier } from './classifier.ts'
import { showClasses, showExperts } from './view.ts'

/** The page: a model (`model.onnx` beside it, or one that is dropped), and an image to look at. */

function byId<T extends Element>(id: string, type: abstract new () => T): T {
  const found = document.getElementById(id)
  if (found instanceof type) return found
  throw new Error(`the page has no ${id}`)
}

const drop = byId('drop', HTMLElement)
const file = byId('file', HTMLInputElement)
const preview = byId('preview', HTMLImageElement)
const invitation = byId('invitation', HTMLElement)
const status = byId('status', HTMLElement)
const results = byId('results', HTMLElement)

let classifier: Classifier | undefined
/** The image that is shown, if it is to be looked at again with another model. */
let shown: File | undefined
/** Only what was asked last is shown. */
let asked = 0

function say(text: string, failed = false): void {
  status.textContent = text
  status.classList.toggle('failed', failed)
}

async function useModel(bytes: Uint8Array, name: string): Promise<void> {
  say('Preparing the model …')
  const opened = await Classifier.open(bytes, name)
  classifier = opened
  const { recipe, classes, layers, accuracy } = opened.metadata
  const experts = layers.map(({ name: layer, k, experts: count }) => `${k} of ${count} experts in ${layer}`)
  const measured =
    accuracy === undefined ? [] : [`${(100 * accuracy.top1).toFixed(1)} % right on held-out images`]
  byId('about', HTMLElement).textContent = [
    `“${recipe}”`,
    `${classes.length} classes`,
    ...experts,
    ...measured,
  ].join(' · ')
  document.body.dataset.model = name
  say('')
}

async function look(image: File): Promise<void> {
  const turn = ++asked
  const bitmap = await createImageBitmap(image).catch(() => {
    throw new Error(`${image.name} is not an image that this browser can read`)
  })
  shown = image
  URL.revokeObjectURL(preview.src)
  preview.src = URL.createObjectURL(image)
  preview.alt = image.name
  preview.hidden = false
  invitation.hidden = true
  if (classifier === undefined) {
    say('Now drop a model: a file that moiety export has written.')
    return
  }
  say('Looking …')
  const started = performance.now()
  const verdict = await classifier.classify(bitmap)
  bitmap.close()
  if (turn !== asked) return
  showClasses(byId('classes', HTMLElement), verdict, classifier.metadata)
  showExperts(byId('layers', HTMLElement), verdict, classifier.metadata)
  results.hidden = false
  // For programs that read the page, as its test does.
  results.dataset.image = image.name
  results.dataset.logits = JSON.stringify([...verdict.logits])
  results.dataset.weights = JSON.stringify(
    Object.fromEntries([...verdict.weights].map(([name, w]) => [name, [...w]])),
  )
  say(`Looked at in ${Math.round(performance.now() - started)} ms, on this machine alone.`)
}

async function take(given: File): Promise<void> {
  try {
    if (!given.name.toLowerCase().endsWith('.onnx')) return await look(given)
    await useModel(new Uint8Array(await given.arrayBuffer()), given.name)
    if (shown !== undefined) await look(shown)
  } catch (cause) {
    say(cause instanceof Error ? cause.message : String(cause), true)
  }
}

file.addEventListener('change', () => {
  const [given] = file.files ?? []
  if (given !== undefined) void take(given)
  // Choosing the same file again is a change, too.
  file.value = ''
})

for (const kind of ['dragover', 'dragleave', 'drop'] as const) {
  document.addEventListener(kind, event => {
    event.preventDefault()
    drop.classList.toggle('over', kind === 'dragover')
    const [given] = kind === 'drop' ? (event.dataTransfer?.files ?? []) : []
    if (given !== undefined) void take(given)
  })
}

/** The model beside the page, if there is one; a server may answer with a page of its own instead. */
async function modelBesidePage(): Promise<void> {
  say('Fetching the model …')
  const response = await fetch('model.onnx').catch(() => undefined)
  if (response?.ok !== true || response.headers.get('content-type')?.startsWith('text/html') === true) {
    say('Drop a model first: a file that moiety export has written.')
    return
  }
  await take(new File([await response.arrayBuffer()], 'model.onnx'))
}

void modelBesidePage()
