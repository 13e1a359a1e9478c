import { spawn } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTensorBoardLog } from '../src/run/tensorboard.ts'
import { chromiumFile } from './chromium.ts'
import { moiety, newFolder, tinyConfig, writeRecipe, writeTinyCifar } from './tiny.ts'

/** `moiety watch` as a command, and its page in Chromium; without one those tests are skipped, which is said. */
if (chromiumFile === undefined)
  console.warn('watch.test.ts is skipped in part: there is no Chromium in PATH or CHROMIUM')

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const outer = newFolder()
afterAll(() => rmSync(outer, { recursive: true, force: true }))

interface Watching {
  readonly address: string
  readonly port: number
  /** Ends it as Ctrl-C does; how it ended. */
  stop(): Promise<NodeJS.Signals | number | null>
}

/** Starts the command, and waits for its address. */
async function watch(...words: string[]): Promise<Watching> {
  const child = spawn(process.execPath, [main, 'watch', '--json', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<NodeJS.Signals | number | null>(resolve =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  )
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  const line = await Promise.race([
    new Promise<string>(resolve => createInterface({ input: child.stdout }).once('line', resolve)),
    ended.then(code => `${code}: ${said}`),
  ])
  const { address, port } = JSON.parse(line)
  return {
    ...{ address, port },
    stop: () => {
      child.kill('SIGINT')
      return ended
    },
  }
}

const line = (value: object): string => `${JSON.stringify(value)}\n`

/** Lines of a run with two experts, of which the second gets less and less. */
function steps(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const step = from + i
    const second = Number((0.5 * 0.99 ** step).toFixed(4))
    const layer = {
      shares: [1 - second, second],
      excluded: step % 2 === 0 ? [0] : [],
      counters: { r: [second, -second] },
    }
    return line({
      kind: 'step',
      step,
      epoch: 0,
      loss: 4 * 0.995 ** step,
      learningRate: 0.1,
      top1: 0.5,
      layers: { layer4: layer },
    })
  }).join('')
}

function writeRun(root: string, name: string, constraint: string, log: string): string {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  const config = {
    seed: 42,
    data: { name: 'sample' },
    model: { moe: [{ constraint: { name: constraint } }] },
    training: { epochs: 4, batch: 32 },
  }
  writeFileSync(join(path, 'config.json'), JSON.stringify(config))
  writeFileSync(join(path, 'environment.json'), JSON.stringify({ recipe: 'sample' }))
  writeFileSync(join(path, 'plan.json'), JSON.stringify({ stepsPerEpoch: 100 }))
  writeFileSync(join(path, 'metrics.jsonl'), log)
  return path
}

/** A test after a step, with pictures as training writes them. */
async function writeTest(run: string, step: number): Promise<void> {
  const images = [{ image: 3, weight: 0.9, classes: ['<b>cat</b>'] }]
  const layers = [
    {
      name: 'layer4',
      importance: [0.9, 0.1],
      activation: [1, 1],
      excluded: [0, 0],
      counters: {},
      cvImportance: 0.8,
      cvActivation: 0,
      active: 2,
    },
  ]
  const moment = { epoch: step / 100 - 1, step }
  appendFileSync(
    join(run, 'metrics.jsonl'),
    line({
      kind: 'epoch',
      ...moment,
      split: 'train',
      loss: 2,
      taskLoss: 2,
      auxLoss: 0,
      top1: 0.4,
      layers,
      seconds: 10,
    }) +
      line({ kind: 'examples', ...moment, split: 'val', layers: { layer4: [images, []] } }) +
      line({
        kind: 'epoch',
        ...moment,
        split: 'val',
        loss: 2,
        taskLoss: 2,
        auxLoss: 0,
        top1: 0.25 + step / 10_000,
        layers,
        seconds: 1,
      }) +
      line({
        kind: 'alarm',
        ...moment,
        layer: 'layer4',
        starved: [1],
        message: '1 of 2 experts has at most 1.0 % of the importance',
      }),
  )
  const png = await sharp({ create: { width: 588, height: 96, channels: 3, background: '#a01642' } })
    .png()
    .toBuffer()
  const board = openTensorBoardLog(run, { now: () => 1000 * step })
  board.write(step, { 'val/layer4/images/0': { kind: 'image', width: 588, height: 96, png } })
  board.close()
}

describe('moiety watch', () => {
  it('refuses a folder that is not there and a port that is none, with what to do', async () => {
    const none = await moiety('watch', join(outer, 'none'))
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringMatching(/expected the folder of a run.*there is no [\s\S]*help: /),
    ])
    const port = await moiety('watch', outer, '--port', '70000')
    expect([port.code, port.stderr]).toEqual([
      2,
      expect.stringMatching(/expected a port from 0 to 65535, came 70000[\s\S]*at --port/),
    ])
    const open = await moiety('watch', outer, '--host', '0.0.0.0')
    expect([open.code, open.stderr]).toEqual([
      2,
      expect.stringMatching(/expected a token[\s\S]*help: add --token/),
    ])
  })

  it('prints one line, waits for runs, and ends by Ctrl-C', async () => {
    const root = mkdtempSync(join(outer, 'empty-'))
    const child = spawn(process.execPath, [main, 'watch', root, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.on('data', chunk => {
      out += chunk
    })
    child.stderr.on('data', chunk => {
      err += chunk
    })
    await expect.poll(() => err).toContain('Ctrl-C ends it')
    // Two streams, of which either may come first.
    await expect.poll(() => out).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\n$/)
    expect(err).toContain(`no run in ${root} yet: waiting for one`)
    const ended = new Promise(resolve => child.once('exit', (code, signal) => resolve(signal ?? code)))
    child.kill('SIGINT')
    expect(await ended).toBe('SIGINT')
  })

  it('begins with train --watch, whose address is printed, and ends with it', async () => {
    const recipe = writeRecipe(outer, tinyConfig(writeTinyCifar(join(outer, 'data'))))
    const run = join(outer, 'watched')
    const child = spawn(process.execPath, [main, 'train', recipe, '--out', run, '--watch', '--json'])
    let err = ''
    let answered = 0
    child.stderr.on('data', chunk => {
      err += chunk
      const address = /dashboard: (http:\S+)/.exec(err)?.[1]
      if (address !== undefined && answered === 0) {
        answered = -1
        void fetch(address).then(({ status }) => {
          answered = status
        })
      }
    })
    const code = await new Promise(resolve => child.once('close', resolve))
    expect(code, err).toBe(0)
    expect(answered).toBe(200)
    const address = /dashboard: (http:\S+)/.exec(err)![1]!
    await expect
      .poll(() =>
        fetch(address).then(
          () => 'there',
          () => 'gone',
        ),
      )
      .toBe('gone')
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(text => JSON.parse(text))
    expect(lines.find(({ kind }) => kind === 'step').layers).toBeDefined()
    expect(lines.find(({ kind }) => kind === 'examples')).toBeDefined()
    expect(JSON.parse(readFileSync(join(run, 'plan.json'), 'utf8'))).toMatchObject({
      stepsPerEpoch: expect.any(Number),
    })
  })
})

describe.skipIf(chromiumFile === undefined)('the page of moiety watch', () => {
  const root = mkdtempSync(join(tmpdir(), 'moiety-watch-page-'))
  let browser: Browser
  let page: Page
  let server: Watching
  const errors: string[] = []

  /** What the root element says; the page's policy forbids the functions as text by which a test usually waits. */
  const rootSays = async (key: string, of = page): Promise<string> =>
    (await of.locator('html').getAttribute(`data-${key}`)) ?? ''
  const until = async (key: string, value: string, of = page): Promise<void> =>
    void (await expect.poll(() => rootSays(key, of)).toBe(value))
  const untilStep = async (step: number): Promise<void> =>
    void (await expect.poll(async () => Number(await rootSays('shown'))).toBeGreaterThanOrEqual(step))
  const item = (name: string) => page.locator(`.run-item[data-name=${JSON.stringify(name)}]`)

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    const opened = await context.newPage()
    opened.setDefaultTimeout(250_000)
    opened.on('pageerror', error => errors.push(error.message))
    opened.on('console', message => {
      // That a server is gone is logged by the browser itself.
      if (message.type() === 'error' && !/net::ERR_/.test(message.text())) errors.push(message.text())
    })
    await opened.goto(server.address)
    await opened.locator('html[data-state=ready]').waitFor({ state: 'attached' })
    return opened
  }

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumFile!, args: ['--no-sandbox'] })
    server = await watch(root, '--port', '0')
    page = await open()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  it('waits for a run, and follows it while it is written', async () => {
    expect(await page.locator('#empty').isVisible()).toBe(true)
    const run = writeRun(root, 'none', 'none', steps(1, 20))
    await untilStep(20)
    expect(await page.locator('#empty').isVisible()).toBe(false)
    const half = steps(21, 100)
    appendFileSync(join(run, 'metrics.jsonl'), half.slice(0, 2000))
    appendFileSync(join(run, 'metrics.jsonl'), half.slice(2000))
    await untilStep(100)
    await writeTest(run, 100)
    await expect
      .poll(() => item('none').locator('.facts').textContent())
      .toMatch(/top-1 26\.0\u202f% · collapse/)
    await expect
      .poll(() => page.locator('[data-curve=loss] [role=img]').getAttribute('aria-label'))
      .toMatch(/Loss over steps; newest: none 2\.\d+/)
    await expect
      .poll(() => page.locator('#cards canvas').getAttribute('aria-label'))
      .toMatch(/now, at step 100: expert 0 8\d\u202f%/)
  })

  it('shows the pictures of a test, with what is on them as text, and the hard constraint', async () => {
    const picture = page.locator('.galleries img')
    await expect
      .poll(() => picture.evaluate((image: { naturalWidth: number }) => image.naturalWidth))
      .toBe(588)
    expect(await picture.getAttribute('alt')).toBe('<b>cat</b> (image 3, weight 90\u202f%)')
    expect(await page.locator('.galleries b').count()).toBe(0)
    expect(await page.locator('.exclusions').getAttribute('aria-label')).toMatch(
      /expert 0 50\u202f%, expert 1 0/,
    )
    expect(await page.locator('#run .chart [role=img]').getAttribute('aria-label')).toMatch(
      /Counter r over steps/,
    )
    expect(await page.locator('#run').textContent()).toMatch(/One alarm; the last after epoch 1, layer4/)
  })

  it('looks at every step of a range, by the mouse and by the keyboard', async () => {
    const chart = page.locator('[data-curve=loss] .u-over')
    await chart.scrollIntoViewIfNeeded()
    const box = (await chart.boundingBox())!
    await page.mouse.move(box.x + box.width / 4, box.y + 50)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width / 2, box.y + 50, { steps: 4 })
    await page.mouse.up()
    await expect.poll(() => page.locator('#zoomed').textContent()).toMatch(/^Steps 2\d to 5\d/)
    await page.locator('[data-curve=loss] [role=img]').focus()
    await page.keyboard.press('0')
    await expect.poll(() => page.locator('#zoomed').textContent()).toBe('')
    await page.keyboard.press('+')
    await expect.poll(() => page.locator('#zoomed').textContent()).toMatch(/^Steps/)
    await page.keyboard.press('Escape')
  })

  it('shows a sweep: planned runs, differences, one picture for each run, and remembers what is selected', async () => {
    const sweep = join(root, 'sweep')
    for (const [name, end] of [
      ['a', 300],
      ['b', 200],
    ] as const)
      writeRun(sweep, name, name === 'a' ? 'kl' : 'mean', steps(1, end))
    const runs = ['a', 'b', 'c'].map(name => ({
      name,
      hash: '0'.repeat(64),
      seed: 42,
      values: { constraint: name },
    }))
    const record = {
      format: 1,
      name: 's',
      title: 's',
      description: '',
      recipe: 'r',
      axes: [{ label: 'constraint', key: 'x', values: ['a', 'b', 'c'] }],
      seeds: [42],
      baseline: null,
      runs,
    }
    writeFileSync(join(sweep, 'sweep.json'), JSON.stringify(record))
    await until('runs', '4')
    expect(await item('sweep/c').locator('.state').textContent()).toBe('planned')
    await expect.poll(() => page.locator('#cards .card').count()).toBe(3)
    await expect.poll(() => page.locator('#differences tbody').textContent()).toContain('constraint')
    await item('none').locator('input').uncheck()
    await item('sweep/b').getByRole('button').click()
    await expect.poll(() => page.locator('#run-title').textContent()).toBe('sweep/b')
    await expect
      .poll(() => page.evaluate('location.hash'))
      .toBe('#run=sweep%2Fa&run=sweep%2Fb&focus=sweep%2Fb')
    await page.reload()
    await expect.poll(() => page.locator('#cards .card').count()).toBe(2)
    await expect.poll(() => page.locator('#run-title').textContent()).toBe('sweep/b')
    await page.keyboard.press('/')
    await page.keyboard.type('kl')
    await expect.poll(() => page.locator('.run-item').count()).toBe(0)
    await page.locator('#filter').fill('')
  })

  it('comes back when the server does, and goes on', async () => {
    const { port } = server
    await server.stop()
    await until('link', 'lost')
    appendFileSync(join(root, 'sweep', 'b', 'metrics.jsonl'), steps(201, 260))
    server = await watch(root, '--port', String(port))
    await until('link', 'live')
    await untilStep(260)
  })

  it('follows a run that is cut by a resume, and one that is replaced', async () => {
    const path = join(root, 'sweep', 'b', 'metrics.jsonl')
    writeFileSync(path, steps(1, 150))
    await until('shown', '150')
    rmSync(join(root, 'sweep', 'b'), { recursive: true })
    cpSync(join(root, 'sweep', 'a'), join(root, 'sweep', 'b'), { recursive: true })
    await untilStep(300)
  })

  it('opens the report of a run, in which no script but its own may run', async () => {
    const report =
      '<!doctype html><title>A report</title><style>p{color:red}</style><p>text</p><script>document.title = "no"</script>'
    writeFileSync(join(root, 'none', 'report.html'), report)
    await expect.poll(() => item('none').getByRole('link').count()).toBe(1)
    const href = (await item('none').getByRole('link').getAttribute('href'))!
    const opened = await (await browser.newContext()).newPage()
    await opened.goto(new URL(href, server.address).href)
    expect(await opened.title()).toBe('A report')
    expect(await opened.evaluate("getComputedStyle(document.querySelector('p')).color")).toBe(
      'rgb(255, 0, 0)',
    )
  })

  it('fits a phone and the dark, without a script or style that its policy forbids', async () => {
    const phone = await open({ viewport: { width: 390, height: 844 }, colorScheme: 'dark', isMobile: true })
    await expect.poll(() => phone.locator('#cards .card').count()).toBeGreaterThan(0)
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(390)
    expect(await phone.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(21, 22, 26)')
    expect(errors).toEqual([])
  })
})
