import { isImageName, MoietyError } from 'moiety/step'
import { chosenFiles, filesOf, type GivenFile, openImages, planesOf, planesOfImage } from './dropped.ts'
import { Run, type RunStart } from './run.ts'
import { loadSample } from './sample.ts'
import { keepSite, whenIsolated } from './site.ts'
import './style.css'
import { byId, element, percent, setText } from '../../web/views/elements.ts'
import { type Choice, configOf, readHash, runsOf, settingsOf, textOf, writeHash } from './settings.ts'
import { unpacked } from './training/archive.ts'
import type { ImageData } from './training/data.ts'
import { type Files, isRun, neededFiles, type OpenedRun, openRun } from './training/run-files.ts'
import type { WebDevice } from './training/web-engine.ts'
import { ControlsView } from './views/controls.ts'
import { CurvesView, smoothed } from './views/curves.ts'
import { lookView } from './views/looks.ts'
import { Pad } from './views/pad.ts'
import { RunView } from './views/run-view.ts'
import { type Sheet, sheetOf, showImage } from './views/sheet.ts'
import { Tour } from './views/tour.ts'

/** Steps that a run may be ahead of the other. */
const lead = 2
/** Charts show at least as many steps. */
const leastSpan = 100

const root = document.documentElement

/** The page: what was chosen, the runs, and what shows them. */
class Playground {
  #choice: Choice
  #data: ImageData | undefined
  #sample: ImageData | undefined
  #sheet: Sheet | undefined
  #runs: Run[] = []
  #views: RunView[] = []
  #isPlaying = true
  /** Steps that were asked for one by one. */
  #until = 0
  #isStepDue = false
  /** Runs whose tests have not been drawn yet. */
  readonly #tested = new Set<Run>()
  /** The image that the visitor has drawn or dropped, uint8 [3, S, S]. */
  #own: Uint8Array | undefined
  #device: WebDevice = 'wasm'
  #kept = false
  readonly #controls: ControlsView
  readonly #loss: CurvesView
  readonly #accuracy: CurvesView
  readonly #pad: Pad

  constructor() {
    const { choice, ignored } = readHash(location.hash)
    this.#choice = choice
    if (ignored.length > 0) this.#say(`Not known in the address, and passed over: ${ignored.join(', ')}`)
    this.#controls = new ControlsView(byId('controls', HTMLFormElement), next => this.#choose(next))
    this.#controls.show(choice)
    this.#loss = new CurvesView(byId('loss', HTMLCanvasElement), {
      what: 'Loss of each batch',
      text: value => value.toFixed(value < 10 ? 2 : 0),
      least: 1,
      isFromZero: false,
      legend: 'top',
    })
    this.#accuracy = new CurvesView(byId('accuracy', HTMLCanvasElement), {
      what: 'Accuracy on held-out images',
      text: percent,
      least: 0.2,
      isFromZero: true,
      legend: 'bottom',
    })
    this.#pad = new Pad(
      byId('pad', HTMLCanvasElement),
      byId('inks', HTMLElement),
      () => void this.#lookAtPad(),
      () => byId('files', HTMLInputElement).click(),
      () => this.#forgetOwn(),
    )
    this.#listen()
    new Tour()
    this.#showLooks()
  }

  /** Loads what is needed and begins. */
  async begin(): Promise<void> {
    try {
      this.#makeViews(runsOf(this.#choice).length)
      const [sample, device] = await Promise.all([loadSample(), deviceOf(this.#choice.device)])
      this.#device = device
      this.#sample = sample
      await this.#use(sample)
    } catch (cause) {
      this.#state('failed')
      this.#say(wordsOf(cause), true)
    }
  }

  async #use(data: ImageData): Promise<void> {
    this.#data = data
    setText(byId('data-title', HTMLElement), `Data: ${data.title}.`)
    byId('sample', HTMLButtonElement).hidden = data === this.#sample
    // The runs begin at once; pictures can come a moment later.
    this.#restart()
    const sheet = await sheetOf(data.test, data.size)
    if (this.#sheet !== undefined) URL.revokeObjectURL(this.#sheet.address)
    this.#sheet = sheet
    for (const run of this.#runs) this.#tested.add(run)
    this.#redraw()
  }

  /** Begins the runs of the choice anew. */
  #restart(): void {
    const data = this.#data
    if (data === undefined) return
    const { against } = this.#choice
    const folder = { name: 'folder', directory: data.directory ?? 'images' } as const
    try {
      const starts = runsOf(this.#choice).map((settings): RunStart => {
        const config = configOf(settings, data.name === 'sample' ? { name: 'sample' } : folder)
        const { classes, size, mean, std } = data
        return {
          title: textOf(against?.name ?? 'constraint', settings),
          from: config,
          data,
          classes,
          size,
          mean,
          std,
          isTrainable: true,
        }
      })
      this.#start(starts)
    } catch (cause) {
      this.#stop()
      this.#state('failed')
      this.#say(wordsOf(cause), true)
    }
  }

  #stop(): void {
    for (const run of this.#runs) run.stop()
    this.#runs = []
  }

  #start(starts: readonly RunStart[]): void {
    this.#stop()
    this.#until = 0
    this.#makeViews(starts.length)
    const cores = navigator.hardwareConcurrency || 2
    const threads = Math.max(1, Math.min(4, Math.floor(cores / starts.length)))
    this.#runs = starts.map(
      start =>
        new Run(start, this.#device, threads, {
          changed: () => this.#conduct(),
          stepped: () => {
            if (!this.#kept) {
              this.#kept = true
              keepSite()
            }
          },
          tested: run => this.#tested.add(run),
          said: text => this.#say(text, true),
        }),
    )
    for (const run of this.#runs) this.#tested.add(run)
    if (this.#own !== undefined) void this.#look()
    this.#conduct()
  }

  #makeViews(count: number): void {
    if (this.#views.length === count) return
    this.#views = Array.from(
      { length: count },
      (_, number) =>
        new RunView(
          number,
          () => void this.#export(number),
          (image, at) => {
            at.hidden = image === undefined || this.#sheet === undefined
            if (image !== undefined && this.#sheet !== undefined) showImage(at, this.#sheet, image)
          },
        ),
    )
    const place = byId('runs', HTMLElement)
    place.dataset.count = String(count)
    place.replaceChildren(...this.#views.map(view => view.place))
  }

  /** Lets the runs train side by side, so that what is compared has had as many steps. */
  #conduct(): void {
    const going = this.#runs.filter(run => run.isGoing)
    const least = Math.min(...going.map(run => run.step))
    for (const run of going) run.trainUntil(this.#isPlaying ? least + lead : Math.max(this.#until, 0))
    this.#redraw()
  }

  #redraw(): void {
    this.#publish()
    if (this.#isStepDue) return
    this.#isStepDue = true
    // Frames do not come while the page is hidden, and it has to be right when it is shown again.
    const draw = (): void => {
      this.#isStepDue = false
      this.#draw()
    }
    if (document.hidden) draw()
    else requestAnimationFrame(draw)
  }

  #draw(): void {
    const span = Math.max(leastSpan, ...this.#runs.map(({ step }) => 1.05 * step))
    for (const [i, run] of this.#runs.entries()) {
      const view = this.#views[i]!
      view.showStep(run, span)
      if (this.#tested.has(run)) view.showTest(run, run.start.data, this.#sheet)
    }
    this.#tested.clear()
    const named = (steps: (run: Run) => readonly number[], values: (run: Run) => readonly number[]) =>
      this.#runs.map(run => ({ name: run.start.title, steps: steps(run), values: values(run) }))
    this.#loss.show(
      named(
        run => run.steps.map(({ step }) => step),
        run =>
          smoothed(
            run.steps.map(({ taskLoss }) => taskLoss),
            10,
          ),
      ),
      span,
    )
    this.#accuracy.show(
      named(
        run => run.tests.map(({ step }) => step),
        run => run.tests.map(({ top1 }) => top1),
      ),
      span,
    )
    const [first] = this.#runs
    if (first === undefined) return
    const rate = first.steps.slice(-20).reduce((sum, { seconds }) => sum + seconds, 0)
    const each =
      first.steps.length === 0 ? '' : ` · ${(Math.min(20, first.steps.length) / rate).toFixed(1)} steps/s`
    const where =
      first.device === 'webgpu'
        ? 'WebGPU'
        : `WebAssembly, ${first.threads === 1 ? '1 thread' : `${first.threads} threads`}`
    setText(byId('progress', HTMLElement), `step ${first.step}${each} · ${where}`)
    setText(byId('play', HTMLElement), this.#isPlaying ? 'Pause' : 'Play')
  }

  /** For programs that read the page. */
  #publish(): void {
    const [first] = this.#runs
    if (first === undefined) return
    const states = this.#runs.map(({ state }) => state)
    const isOver = states.every(state => state === 'done' || state === 'failed')
    if (states.includes('failed')) this.#state('failed')
    else if (states.includes('loading')) this.#state('loading')
    else if (this.#runs.every(run => !run.start.isTrainable)) this.#state('opened')
    else if (isOver) this.#state('done')
    else this.#state(this.#isPlaying || this.#isBehind ? 'training' : 'paused')
    const { dataset } = root
    dataset.step = String(Math.min(...this.#runs.map(({ step }) => step)))
    dataset.loss = String(first.steps.at(-1)?.loss ?? '')
    dataset.top1 = String(first.latest?.top1 ?? '')
    dataset.device = first.device
  }

  /** Whether a run still has steps to take that were asked for. */
  get #isBehind(): boolean {
    return this.#runs.some(run => run.isGoing && run.step < this.#until)
  }

  #state(state: string): void {
    root.dataset.state = state
  }

  #say(text: string, isImportant = false): void {
    const place = byId('say', HTMLElement)
    place.textContent = text === '' ? '\u00a0' : text
    place.classList.toggle('important', isImportant)
  }

  #choose(choice: Choice): void {
    this.#choice = choice
    history.replaceState(null, '', `${location.pathname}${location.search}${writeHash(choice)}`)
    this.#say('')
    this.#controls.show(choice)
    this.#restart()
  }

  #play(isPlaying: boolean): void {
    this.#isPlaying = isPlaying
    if (!isPlaying) this.#until = Math.max(0, ...this.#runs.map(({ step }) => step))
    this.#conduct()
  }

  /** All runs to the same step: the next, or to where the foremost is. */
  #step(): void {
    const steps = this.#runs.filter(run => run.isGoing).map(({ step }) => step)
    if (this.#isPlaying) {
      this.#play(false)
      return
    }
    this.#until = Math.max(this.#until, Math.min(...steps) + 1)
    this.#conduct()
    for (const run of this.#runs) if (run.isGoing) run.test()
  }

  async #export(number: number): Promise<void> {
    const run = this.#runs[number]
    if (run === undefined) return
    const { moe } = run.config.model
    this.#say('Preparing the archive …')
    const archive = await run.export(`moiety-${moe.at(-1)?.constraint.name ?? 'run'}-seed${run.config.seed}`)
    const link = element('a', {
      href: URL.createObjectURL(
        new Blob([archive.bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' }),
      ),
      download: archive.name,
    })
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    const more = run.start.data?.name === 'folder' ? ' --data FOLDER' : ''
    this.#say(
      `${archive.name}: unpack it, and go on with: moiety train --resume --out ${archive.name.replace(/\.zip$/, '')}${more}`,
    )
  }

  // What visitors give.

  async take(given: readonly GivenFile[]): Promise<void> {
    try {
      const [only] = given
      if (only === undefined) return
      if (given.length === 1 && /\.zip$/i.test(only.path))
        return this.#open(openRun(unpacked(new Uint8Array(await only.file.arrayBuffer()), only.path)))
      const byPath = new Map(given.map(({ path, file }) => [path, file]))
      if (isRun(byPath)) return this.#open(openRun(await readAll(byPath)))
      const areLoose = given.every(({ path }) => !path.includes('/'))
      const images = given.filter(({ path }) => isImageName(path))
      if (areLoose && images.length < 10) {
        if (images.length > 1)
          this.#say(`This is ${images[0]!.path}. To train, drop ten images or more of two classes or more.`)
        return await this.#lookAt((images[0] ?? only).file)
      }
      await this.#openData(given)
    } catch (cause) {
      this.#say(wordsOf(cause), true)
    }
  }

  async #openData(given: readonly GivenFile[]): Promise<void> {
    const { data, skipped } = await openImages(given, (done, total) => {
      if (done % 50 === 0 || done === total) this.#say(`Reading images: ${done} of ${total}`)
    })
    this.#say(
      skipped.length === 0
        ? `Training on ${data.title}. They stay in this page.`
        : `Training on ${data.title}. ${skipped.length} files could not be read: ${skipped.slice(0, 3).join(', ')}`,
      skipped.length > 0,
    )
    await this.#use(data)
  }

  /** Shows a run that was trained elsewhere, and goes on with it if its data is here. */
  #open({ snapshot, classes, size, mean, std, onlyLooked }: OpenedRun): void {
    const isSample = snapshot.config.data.name === 'sample'
    const here = isSample ? this.#sample : this.#data
    const data =
      here !== undefined && String(here.classes) === String(classes) && here.size === size
        ? { ...here, mean, std }
        : undefined
    const same =
      data?.identity.train === dataOf(snapshot.extra)?.train &&
      data?.identity.labels === dataOf(snapshot.extra)?.labels
    const why =
      onlyLooked ??
      (data === undefined || !same ? 'its images are not here; drop their folder first' : undefined)
    const settings = settingsOf(snapshot.config)
    if (settings !== undefined) {
      this.#choice = { ...this.#choice, settings, against: undefined }
      history.replaceState(null, '', writeHash(this.#choice))
      this.#controls.show(this.#choice)
    }
    const title = settings === undefined ? 'the run that was opened' : textOf('constraint', settings)
    this.#isPlaying = false
    this.#start([{ title, from: snapshot, data, classes, size, mean, std, isTrainable: why === undefined }])
    this.#runs[0]!.restoreLog(snapshot.log)
    this.#until = snapshot.step
    this.#say(
      why === undefined
        ? `Opened at step ${snapshot.step}. Play goes on from there.`
        : `Opened at step ${snapshot.step}. It can be looked at, but not trained here: ${why}.`,
    )
    this.#conduct()
  }

  async #lookAt(file: Blob): Promise<void> {
    const image = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => {
      const name = file instanceof File ? file.name : 'this'
      throw new MoietyError({
        kind: 'data',
        message: `${name} is not an image that this browser can read`,
        help: 'drop a JPEG, PNG, WebP or AVIF file',
      })
    })
    this.#pad.show(image)
    image.close()
    this.#own = await planesOf(file, this.#size)
    await this.#look()
  }

  async #lookAtPad(): Promise<void> {
    const pad = byId('pad', HTMLCanvasElement)
    this.#own = planesOfImage(pad, pad.width, pad.height, this.#size)
    await this.#look()
  }

  get #size(): number {
    return this.#runs[0]?.start.size ?? this.#data?.size ?? 32
  }

  #forgetOwn(): void {
    this.#own = undefined
    for (const view of this.#views) view.map.mark(undefined, undefined)
    this.#showLooks()
  }

  /** Asks all runs how they see the visitor's image. */
  async #look(): Promise<void> {
    const own = this.#own
    const runs = this.#runs
    if (own === undefined) return
    const looks = await Promise.all(runs.map(run => run.look(own)))
    if (own !== this.#own || runs !== this.#runs) return
    for (const [i, look] of looks.entries()) this.#views[i]?.map.mark(look.logits.at(-1), look.weights.at(-1))
    byId('looks', HTMLElement).replaceChildren(
      ...runs.map((run, i) => lookView(run.start.title, looks[i], run.start.classes, run.experts)),
    )
    byId('looks', HTMLElement).dataset.weights = JSON.stringify(
      looks.map(({ weights }) => [...(weights.at(-1) ?? [])]),
    )
  }

  #showLooks(): void {
    byId('looks', HTMLElement).replaceChildren(
      element('p', { class: 'muted' }, 'Its experts light up here, and a star marks it on the map.'),
    )
  }

  #listen(): void {
    const on = (id: string, act: () => void): void => byId(id, HTMLElement).addEventListener('click', act)
    on('play', () => this.#play(!this.#isPlaying))
    on('step', () => this.#step())
    on('restart', () => this.#restart())
    on('sample', () => this.#sample && void this.#use(this.#sample))
    on('open', () => byId('opening', HTMLDialogElement).showModal())
    on('link', () => void this.#copyLink())
    for (const [id, input] of [
      ['choose-files', 'files'],
      ['choose-folder', 'folder'],
    ] as const)
      on(id, () => {
        byId('opening', HTMLDialogElement).close()
        byId(input, HTMLInputElement).click()
      })
    for (const id of ['files', 'folder']) {
      const input = byId(id, HTMLInputElement)
      input.addEventListener('change', () => {
        if (input.files !== null) void this.take(chosenFiles(input.files))
        input.value = ''
      })
    }
    document.addEventListener('keydown', event => {
      const isInField =
        event.target instanceof Element && event.target.closest('input, select, button, summary, dialog, a')
      if (isInField || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === ' ') this.#play(!this.#isPlaying)
      else if (event.key === 's') this.#step()
      else if (event.key === 'r') this.#restart()
      else return
      event.preventDefault()
    })
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
      if (event.dataTransfer !== null)
        void filesOf(event.dataTransfer).then(
          given => this.take(given),
          (cause: unknown) => this.#say(wordsOf(cause), true),
        )
    })
    addEventListener('hashchange', () => {
      const { choice, ignored } = readHash(location.hash)
      this.#choose(choice)
      if (ignored.length > 0)
        this.#say(`Not known in the address, and passed over: ${ignored.join(', ')}`, true)
    })
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return
      for (const run of this.#runs) this.#tested.add(run)
      this.#redraw()
    })
  }

  async #copyLink(): Promise<void> {
    // The usual pair has an empty address, which says as much.
    const address = `${location.href.split('#')[0]}${writeHash(this.#choice)}`
    await navigator.clipboard?.writeText(address).then(
      () => this.#say(`Copied: ${address}`),
      () => this.#say(address),
    )
  }

  /** For tests: of the first run. */
  get losses(): readonly number[] {
    return this.#runs[0]?.steps.map(({ loss }) => loss) ?? []
  }

  /** For tests. */
  lose(): void {
    for (const run of this.#runs) run.lose()
  }
}

function dataOf(extra: unknown): { readonly train?: unknown; readonly labels?: unknown } | undefined {
  return (extra as { readonly data?: { readonly train?: unknown; readonly labels?: unknown } } | null)?.data
}

/** The files of a run that are needed, read. */
async function readAll(byPath: ReadonlyMap<string, File>): Promise<Files> {
  const read = neededFiles([...byPath.keys()]).map(
    async path => [path, new Uint8Array(await byPath.get(path)!.arrayBuffer())] as const,
  )
  return new Map(await Promise.all(read))
}

function wordsOf(cause: unknown): string {
  if (cause instanceof MoietyError)
    return cause.help === undefined ? cause.message : `${cause.message}. ${cause.help}`
  return cause instanceof Error ? cause.message : String(cause)
}

/** WebGPU where there is a graphics card; software that imitates one is slower than WebAssembly. */
async function deviceOf(wanted: Choice['device']): Promise<WebDevice> {
  if (wanted === 'wasm') return 'wasm'
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<GpuAdapter | null> } }
  const adapter = await gpu?.requestAdapter().catch(() => null)
  if (adapter === null || adapter === undefined) return 'wasm'
  const isImitated =
    adapter.info?.isFallbackAdapter === true || /swiftshader|llvmpipe/i.test(adapter.info?.architecture ?? '')
  return wanted === 'webgpu' || !isImitated ? 'webgpu' : 'wasm'
}

interface GpuAdapter {
  readonly info?: { readonly isFallbackAdapter?: boolean; readonly architecture?: string }
}

await whenIsolated()
const playground = new Playground()
Object.assign(globalThis, { playground })
await playground.begin()
