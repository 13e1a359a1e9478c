import { element, percent, setText } from '../../../web/views/elements.ts'
import { SharesView } from '../../../web/views/shares.ts'
import type { Run } from '../run.ts'
import type { ImageData } from '../training/data.ts'
import { GalleriesView } from './galleries.ts'
import { GateMap } from './gate-map.ts'
import { MatrixView } from './matrix.ts'
import { RecentShares } from './recent-shares.ts'
import type { Sheet } from './sheet.ts'

/** Everything about one run: shares, map, galleries, classes, alarm. */
export class RunView {
  readonly place: HTMLElement
  readonly map: GateMap
  readonly #title = element('h2')
  readonly #facts = element('p', {
    class: 'facts num',
    title: 'Steps taken, and the share of held-out images that are classified right',
  })
  readonly #alarm = element('p', { class: 'alarm', role: 'alert' })
  readonly #shares: SharesView
  readonly #recent = new RecentShares()
  readonly #galleries: GalleriesView
  readonly #matrix: MatrixView
  readonly #numbers = element('tbody')
  readonly #save = element('button', { type: 'button' }, 'Export')

  constructor(
    number: number,
    onExport: () => void,
    onImage: (image: number | undefined, at: HTMLElement) => void,
  ) {
    const canvas = (): HTMLCanvasElement => element('canvas', { role: 'img' })
    const tip = (): HTMLElement => element('p', { class: 'canvas-tip', 'aria-hidden': 'true' })
    const [shares, map, matrix] = [canvas(), canvas(), canvas()]
    const [mapTip, matrixTip] = [tip(), tip()]
    const list = element('ul', { class: 'galleries' })
    const preview = element('i', { class: 'preview', 'aria-hidden': 'true' })
    const table = element(
      'details',
      { class: 'numbers' },
      element('summary', {}, 'Numbers'),
      element(
        'table',
        {},
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            ...['expert', 'share while training', 'share of held-out images', 'chosen for'].map(text =>
              element('th', { scope: 'col' }, text),
            ),
          ),
        ),
        this.#numbers,
      ),
    )
    this.#save.title = 'A zip archive: the run as moiety train writes it, and its network as ONNX'
    this.#save.addEventListener('click', onExport)
    this.place = element(
      'section',
      { class: 'run', 'aria-labelledby': `run-${number}` },
      element('div', { class: 'run-head' }, this.#title, this.#facts, this.#alarm, this.#save),
      box('shares-box', "Experts' share of the work", 'While training, by step: one band an expert', shares),
      box(
        'galleries-box',
        'Most typical images',
        'Share of the held-out images, and those that are most its own, of each expert',
        list,
      ),
      box(
        'map-box',
        'Map of the gate',
        'Every point is a held-out image, drawn to the experts that the gate scores highest for it',
        map,
        preview,
        mapTip,
      ),
      box(
        'matrix-box',
        'Classes × experts',
        'Green: an expert gets more of the class than of all images; brown: less; pale: as chance gives',
        matrix,
        matrixTip,
      ),
      table,
    )
    this.#title.id = `run-${number}`
    this.#shares = new SharesView(shares)
    this.#galleries = new GalleriesView(list)
    this.map = new GateMap(map, mapTip, image => onImage(image, preview))
    this.#matrix = new MatrixView(matrix, matrixTip)
  }

  /** What changes with every step. */
  showStep(run: Run, span: number): void {
    setText(this.#title, run.start.title)
    const { latest } = run
    const first =
      run.state === 'loading' ? 'preparing …' : run.failure !== undefined ? 'failed' : `step ${run.step}`
    setText(
      this.#facts,
      [first, ...(latest === undefined ? [] : [`${percent(latest.top1)} right`])].join(' · '),
    )
    const { starved, experts } = run
    setText(
      this.#alarm,
      run.failure ??
        (starved.length === 0
          ? ''
          : `Collapse: ${starved.length} of ${experts} experts ${starved.length === 1 ? 'gets' : 'get'} next to nothing`),
    )
    this.place.dataset.step = String(run.step)
    this.place.dataset.state = run.state
    this.place.dataset.starved = starved.join(' ')
    this.place.dataset.loss = String(run.steps.at(-1)?.loss ?? '')
    this.place.dataset.top1 = String(latest?.top1 ?? '')
    this.place.dataset.device = run.device
    this.place.dataset.copied = String(run.traffic?.copied ?? '')
    this.place.dataset.onDevice = String(run.traffic?.onDevice ?? '')
    this.#save.disabled = run.state === 'loading' || run.start.data === undefined || !run.start.isTrainable
    const shares = this.#recent.of(run)
    this.#shares.show({ steps: run.steps.map(one => one.step), shares, to: span })
    this.place.dataset.training = (shares.at(-1) ?? []).map(share => share.toFixed(4)).join(' ')
  }

  /** What changes with every test. */
  showTest(run: Run, data: ImageData | undefined, sheet: Sheet | undefined): void {
    this.#galleries.show(run, data, sheet)
    this.map.show(run, data)
    this.#matrix.show(run, data)
    const stats = run.latest?.layers[run.shown]
    const training = run.steps.at(-1)?.layers[run.shown]?.importance ?? []
    this.#numbers.replaceChildren(
      ...Array.from({ length: run.experts }, (_, expert) =>
        element(
          'tr',
          {},
          element('th', { scope: 'row' }, String(expert)),
          ...[training[expert], stats?.importance[expert], stats?.activation[expert]].map(value =>
            element('td', {}, value === undefined ? '–' : percent(value)),
          ),
        ),
      ),
    )
    this.place.dataset.shares = (stats?.importance ?? []).map(share => share.toFixed(4)).join(' ')
  }
}

function box(name: string, caption: string, help: string, ...content: readonly HTMLElement[]): HTMLElement {
  return element(
    'figure',
    { class: `box ${name}` },
    element('figcaption', { title: help }, caption),
    ...content,
  )
}
