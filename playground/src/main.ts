import { MoietyError } from 'moiety/step'
import { deviceOf } from './device.ts'
import { type GivenFile, openImages } from './dropped.ts'
import { listen } from './gestures.ts'
import { recognise } from './given.ts'
import { OwnImage } from './own-image.ts'
import { Run, type RunStart } from './run.ts'
import { loadSample } from './sample.ts'
import { keepSite, whenIsolated } from './site.ts'
import '../../web/views/base.css'
import './style.css'
import { byId, element, percent, setText } from '../../web/views/elements.ts'
import { type Choice, configOf, readHash, runsOf, settingsOf, textOf, writeHash } from './settings.ts'
import type { ImageData } from './training/data.ts'
import type { OpenedRun } from './training/run-files.ts'
import type { WebDevice } from './training/web-engine.ts'
import { ControlsView } from './views/controls.ts'
import { CurvesView, smoothed } from './views/curves.ts'
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
  #device: WebDevice = 'wasm'
  #kept = false
  readonly #controls: ControlsView
  readonly #loss: CurvesView
  readonly #accuracy: CurvesView
  readonly #preference: CurvesView
  readonly #own: OwnImage

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
    this.#preference = new CurvesView(byId('preference', HTMLCanvasElement), {
      what: 'Bits that the class of a held-out image tells about its experts, beyond chance',
      text: value => value.toFixed(2),
      least: 0.4,
      isFromZero: true,
      legend: 'top',
    })
    this.#own = new OwnImage(() => ({ runs: this.#runs, views: this.#views, size: this.#size }))
    this.#listen()
    new Tour()
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
    void this.#own.look()
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
    const known = this.#runs.map(run =>
      run.tests.flatMap(({ step, classPreference }) =>
        classPreference === undefined ? [] : [{ step, classPreference }],
      ),
    )
    this.#preference.show(
      this.#runs.map((run, i) => ({
        name: run.start.title,
        steps: known[i]!.map(({ step }) => step),
        values: smoothed(
          known[i]!.map(({ classPreference }) => classPreference),
          3,
        ),
      })),
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
        : `WebAssembly${first.threads === 1 ? '' : `, ${first.threads} threads`}`
    const progress = byId('progress', HTMLElement)
    setText(progress, `step ${first.step}${each} · ${where}`)
    const { copied = 0, onDevice = 0 } = first.traffic ?? {}
    if (onDevice > 0)
      progress.title = `${onDevice} tensors of the state stay on the graphics card; a step copies ${copied} numbers from it`
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

  async take(files: readonly GivenFile[]): Promise<void> {
    if (files.length === 0) return
    try {
      const given = await recognise(files)
      if (given.kind === 'run') return this.#open(given.run)
      if (given.kind === 'images') return await this.#openData(files)
      if (given.others)
        this.#say(`This is ${given.path}. To train, drop ten images or more of two classes or more.`)
      await this.#own.take(given.file)
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
    const isDone = snapshot.epoch >= snapshot.config.training.epochs
    this.#say(
      why === undefined
        ? `Opened at step ${snapshot.step}. ${isDone ? 'It is finished; moiety train --resume --set training.epochs=… trains it further.' : 'Play goes on from there.'}`
        : `Opened at step ${snapshot.step}. It can be looked at, but not trained here: ${why}.`,
    )
    this.#conduct()
  }

  get #size(): number {
    return this.#runs[0]?.start.size ?? this.#data?.size ?? 32
  }

  #listen(): void {
    listen({
      play: () => this.#play(!this.#isPlaying),
      step: () => this.#step(),
      restart: () => this.#restart(),
      useSample: () => this.#sample && void this.#use(this.#sample),
      copyLink: () => void this.#copyLink(),
      take: given => void this.take(given),
      failed: cause => this.#say(wordsOf(cause), true),
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

function wordsOf(cause: unknown): string {
  if (cause instanceof MoietyError)
    return cause.help === undefined ? cause.message : `${cause.message}. ${cause.help}`
  return cause instanceof Error ? cause.message : String(cause)
}

await whenIsolated()
const playground = new Playground()
Object.assign(globalThis, { playground })
await playground.begin()
