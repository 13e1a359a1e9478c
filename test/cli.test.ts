import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { builtInDatasets } from '../src/data/datasets/registry.ts'
import { compileForNode } from './compiled.ts'

// These tests run what `npm test` has built before.
const built = (file: string) => fileURLToPath(new URL(`../dist/cli/${file}`, import.meta.url))

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Where CUDA's driver is, its device may be usable. */
const hasCuda = existsSync('/dev/nvidia0')

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moiety-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A process that a signal ended has no exit code of its own; whoever called it from a shell sees 128 + its number. */
function asShellsCount(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** The first child of a process, on Linux; 0 where there is none. */
function childOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
  } catch {
    return 0
  }
}

/** Runs node in an empty folder; `onOutput` sees stdout as it comes. */
function node(args: readonly string[], onOutput?: (text: string, kill: (s: NodeJS.Signals) => void) => void) {
  return new Promise<Ended>((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, NO_COLOR: '1' } })
    let out = ''
    let err = ''
    child.stdout.on('data', chunk => {
      out += chunk
      onOutput?.(out, signal => child.kill(signal))
    })
    child.stderr.on('data', chunk => {
      err += chunk
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code: code ?? asShellsCount(signal!), out, err }))
  })
}

const moiety = (...args: string[]) => node([built('main.js'), ...args])

/** JSON of unknown content, to be looked into by `toMatchObject`. */
const json = (text: string): unknown => JSON.parse(text)

const commands = [
  'train',
  'eval',
  'eval-detections',
  'explain',
  'predict',
  'compare',
  'export',
  'recipes',
  'data',
  'doctor',
  'sweep',
  'table',
  'watch',
]

describe('moiety --help', () => {
  it('explains every command on stdout', async () => {
    const { code, out, err } = await moiety('--help')
    expect([code, err]).toEqual([0, ''])
    for (const command of commands) expect(out).toContain(`\n  ${command} `)
    for (const command of commands) {
      const help = await moiety(command, '--help')
      expect([help.code, help.err]).toEqual([0, ''])
      expect(help.out).toContain('--json')
    }
  })

  it('loads neither the engine nor anything else that is heavy', async () => {
    // A hook of the module loader writes down every module that is asked for.
    const hook = `import { writeSync } from 'node:fs'
      export async function resolve(specifier, context, next) {
        const found = await next(specifier, context)
        writeSync(2, found.url + '\\n')
        return found
      }`
    const register = `import { register } from 'node:module'
      register('data:text/javascript,${encodeURIComponent(hook).replaceAll("'", '%27')}')`
    const { code, err } = await node([
      '--import',
      `data:text/javascript,${encodeURIComponent(register)}`,
      built('main.js'),
      '--help',
    ])
    expect(code).toBe(0)
    const loaded = err.split('\n').filter(url => url.startsWith('file:'))
    expect(loaded).toContain(pathToFileURL(built('main.js')).href)
    // Packages that are not bundled are loaded by themselves; of what a bundled file was made, the bundler's comments tell.
    expect(loaded.filter(url => url.includes('/node_modules/'))).toEqual([])
    const regions = loaded.flatMap(
      url => readFileSync(new URL(url), 'utf8').match(/^\/\/ (?:src|node_modules)\/\S+$/gm) ?? [],
    )
    const isFrom = (part: string) => regions.some(region => region.includes(part))
    expect(isFrom('node_modules/commander/')).toBe(true)
    expect(isFrom('src/cli/commands.ts')).toBe(true)
    for (const heavy of ['cli-table3', 'tar', 'fastest-levenshtein', '@bufbuild'])
      expect(isFrom(`node_modules/${heavy}/`), heavy).toBe(false)
  })
})

describe('a device that is not there', () => {
  it.skipIf(hasCuda)('is refused before anything is written, with code 2 and where to look', async () => {
    const out = join(tmpdir(), `moiety-no-device-${process.pid}`)
    const { code, err } = await moiety('train', '--device', 'cuda', '--out', out)
    expect(code).toBe(2)
    expect(err).toContain('the device "cuda" cannot be used here')
    expect(err).toContain('moiety doctor')
    expect(existsSync(out)).toBe(false)
    // Nor does the next free folder stay behind.
    expect((await moiety('train', '--device', 'cuda')).code).toBe(2)
    expect(await readdir(join(folder, 'runs'))).toEqual([])
    await rm(join(folder, 'runs'), { recursive: true })
  })
})

describe('wrong words', () => {
  it.each([
    [['trian'], 'Did you mean train?'],
    [['train', '--sed', '3'], 'Did you mean one of --seed, --set?'],
    [['train', 'smaple'], 'did you mean sample?'],
    [['train', '--set', 'training.epoch=3'], 'did you mean training.epochs?'],
    [['train', '--with', 'constrain=kl'], 'did you mean constraint?'],
    [['train', '--device', 'cdua'], 'did you mean "cuda"?'],
    [['train', '--seed', 'x'], 'expected a whole number'],
    [['train', '--set', 'model.moe.0.k=1'], 'constantly 1'],
    [['train', '--data', 'smple'], 'did you mean sample?'],
    [['train', 'cifar100-small'], 'moiety data get cifar100'],
    [['train', '--resume'], 'no run to resume'],
    [['train', '--resume=yes'], 'expected --resume or --resume=auto'],
    [['train', '--out', ''], 'came an empty name'],
    [['train', '--with', ''], 'has no parameter ""'],
    [['train', '--with', 'constraint=kl,constraint=mean'], 'given twice'],
    [['eval', 'nowhere'], 'not a run'],
    [['recipes', 'shwo'], 'did you mean `moiety recipes show`?'],
    [['data', 'get', 'cifar1000', '--to', 'x'], 'did you mean cifar100?'],
    [['data', 'get', 'cifar100'], "'--to <dir>' not specified"],
    [[], 'Usage: moiety'],
  ])('%j ends with code 2 and says: %s', async (args, message) => {
    const { code, out, err } = await moiety(...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(message)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('moiety recipes', () => {
  it('lists the recipes', async () => {
    const { code, out } = await moiety('recipes')
    expect(code).toBe(0)
    for (const name of ['sample', 'paper-cifar100', 'cifar100-small']) expect(out).toContain(name)
    expect(json((await moiety('recipes', '--json')).out)).toHaveLength(9)
  })

  it('explains one and prints the configuration it comes to', async () => {
    const args = [
      'recipes',
      'show',
      'paper-cifar100',
      '--with',
      'constraint=kl,experts=10',
      '--set',
      'seed=1',
    ]
    const { code, out } = await moiety(...args)
    expect(code).toBe(0)
    for (const part of ['Parameters', '[importance]', 'Reached', '"milestones": [', '"seed": 1'])
      expect(out).toContain(part)
    expect(json((await moiety(...args, '--json')).out)).toMatchObject({
      choices: { network: 'resblock', constraint: 'kl', experts: 10, position: 4 },
      config: { seed: 1, model: { moe: [{ experts: 10, constraint: { name: 'kl', weight: 0.5 } }] } },
    })
  })
})

describe('moiety data', () => {
  it('lists the data sets', async () => {
    const { code, out } = await moiety('data')
    expect(code).toBe(0)
    for (const { name } of builtInDatasets) expect(out).toMatch(new RegExp(`^${name}  `, 'm'))
    const listed = json((await moiety('data', '--json')).out)
    expect(listed).toMatchObject(builtInDatasets.map(({ name }) => ({ name })))
  })
})

describe('moiety doctor', () => {
  it('finds that training works here', async () => {
    const { code, out } = await moiety('doctor')
    expect(out).toContain('Training works on this machine.')
    expect(code).toBe(0)
  })

  it('says so in JSON too', async () => {
    const { code, out } = await moiety('doctor', '--json')
    expect(code).toBe(0)
    expect(json(out)).toMatchObject({
      works: true,
      findings: expect.arrayContaining([
        {
          what: 'cpu',
          state: 'fine',
          value: expect.stringMatching(/^trains: a step is within \de-\d of float64/),
        },
      ]),
      devices: expect.arrayContaining([
        expect.objectContaining({
          device: 'cpu',
          outcome: 'trains',
          pooling: expect.objectContaining({ outcome: 'trains' }),
        }),
      ]),
    })
  })
})

describe('signals', () => {
  const compiled = compileForNode('src/cli/signals.ts')
  afterAll(() => rm(compiled.folder, { recursive: true }))
  /** Work that continues until it is told to stop, and for ever after that when `deaf`. */
  const program = (deaf: boolean) => `
    import { exitCodeOf, interruptible } from ${JSON.stringify(compiled.file)}
    const work = abort => new Promise(resolve => {
      const alive = setInterval(() => {}, 1000)
      abort.addEventListener('abort', () => {
        console.log('asked to stop')
        if (!${deaf}) { clearInterval(alive); resolve('stopped') }
      })
      console.log('working')
    })
    const { value, signal } = await interruptible(work, first => console.log('first', first))
    console.log(value)
    process.exitCode = exitCodeOf(signal)`
  const run = (deaf: boolean, first: NodeJS.Signals, second?: NodeJS.Signals) => {
    const sent = new Set<string>()
    const once = (what: string, act: () => void) => {
      if (!sent.has(what)) act()
      sent.add(what)
    }
    return node(['--input-type=module', '-e', program(deaf)], (text, kill) => {
      if (text.includes('working')) once('first', () => kill(first))
      if (second !== undefined && text.includes('asked to stop')) once('second', () => kill(second))
    })
  }

  it('let work end cleanly, with code 130 for SIGINT and 143 for SIGTERM', async () => {
    const interrupted = await run(false, 'SIGINT')
    expect([interrupted.code, interrupted.out]).toEqual([
      130,
      'working\nfirst SIGINT\nasked to stop\nstopped\n',
    ])
    expect((await run(false, 'SIGTERM')).code).toBe(143)
  })

  const workingThen = (then: string, start: string) => `
    import { endedBySignal, exitCodeOf, interruptible } from ${JSON.stringify(compiled.file)}
    const work = async (abort, setUnsaved) => {
      console.log('working')
      ${then}
    }
    ${start}`
  const killedWhenWorking = (code: string, signal: NodeJS.Signals, told = 'working') => {
    let sent = false
    return node(['--input-type=module', '-e', code], (text, kill) => {
      if (sent || !text.includes(told)) return
      sent = true
      kill(signal)
    })
  }

  it.each([
    ['computes', 'for (;;);'],
    ['waits', 'await new Promise(() => setInterval(() => {}, 1000))'],
  ])('end work that has nothing to save yet at once, while the main thread %s', async (_, then) => {
    const reading = workingThen(then, 'await endedBySignal(work)')
    expect(await killedWhenWorking(reading, 'SIGTERM')).toMatchObject({ code: 143, out: 'working\n' })
    expect((await killedWhenWorking(reading, 'SIGINT')).code).toBe(130)
    const starting = workingThen(then, 'await interruptible(work, () => {}, { startsUnsaved: true })')
    expect(await killedWhenWorking(starting, 'SIGTERM')).toMatchObject({ code: 143, out: 'working\n' })
    // As a training between a checkpoint and its next program.
    const again = workingThen(
      then,
      `await interruptible((abort, setUnsaved) => { setUnsaved(true); setUnsaved(false); return work() }, () => {}, { startsUnsaved: true })`,
    )
    expect(await killedWhenWorking(again, 'SIGTERM')).toMatchObject({ code: 143, out: 'working\n' })
  })

  const namespace = ['--pid', '--fork', '--kill-child', process.execPath, '--input-type=module', '-e']
  /** Nothing else ends what hangs while this process waits for it. */
  const blocked = { timeout: 250_000 }
  const canUnshare = spawnSync('unshare', [...namespace, '']).status === 0
  it.runIf(canUnshare)('end process 1 of a container, which has no default action', () => {
    const self = `setTimeout(() => process.kill(process.pid, 'SIGTERM'), 20)
      await new Promise(() => setInterval(() => {}, 1000))`
    const reading = workingThen(self, 'await endedBySignal(work)')
    const { status, stdout } = spawnSync('unshare', [...namespace, reading], blocked)
    expect([status, String(stdout)]).toEqual([143, 'working\n'])
    // Also where a first signal was heard and a second one ends it.
    const deaf = `setInterval(() => process.kill(process.pid, 'SIGTERM'), 20)
      await new Promise(() => {})`
    const second = workingThen(deaf, 'await interruptible(work, () => {})')
    expect(spawnSync('unshare', [...namespace, second], blocked).status).toBe(143)
  })

  it.runIf(canUnshare)('end process 1 of a container before it has loaded anything', async () => {
    // Holds every module of the command but the first one back.
    const hooks = `export async function load(url, context, next) {
      if (url.includes('/dist/') && !url.endsWith('/cli/main.js')) await new Promise(resolve => setTimeout(resolve, 1e9))
      return next(url, context)
    }`
    const slow = join(folder, 'slow.mjs')
    await writeFile(
      slow,
      `import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}))
      process._rawDebug('loading')`,
    )
    const words = [process.execPath, '--import', slow, built('main.js'), 'recipes']
    const child = spawn('unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', ...words], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
    let output = ''
    child.stdout.on('data', text => {
      output += text
    })
    // Again and again: before its first line the process hears nothing.
    const asking = setInterval(() => {
      const pid = childOf(child.pid!)
      if (pid > 0) process.kill(pid, 'SIGTERM')
    }, 100)
    expect([await ended, output]).toEqual([143, ''])
    clearInterval(asking)
  })

  it.runIf(canUnshare)(
    'end a training that is process 1 of a container, also while its main thread computes',
    async () => {
      const out = join(folder, 'first-process')
      // Stands for the preparation of a large network: the process that has the run's lock computes, and hears nothing.
      const busy = join(folder, 'busy.mjs')
      await writeFile(
        busy,
        `import { readdirSync, existsSync } from 'node:fs'
      const out = ${JSON.stringify(out)}
      setInterval(() => {
        const names = existsSync(out) ? readdirSync(out) : []
        if (!names.some(name => name.startsWith('run.lock.') && name.split('.').at(-2) === String(process.pid))) return
        process._rawDebug('computing')
        for (;;);
      }, 5).unref()`,
      )
      const child = spawn(
        'unshare',
        [
          '--pid',
          '--fork',
          '--kill-child',
          '--mount-proc',
          process.execPath,
          '--import',
          busy,
          built('main.js'),
          'train',
          '--out',
          out,
        ],
        { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
      )
      const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
      const stuck = setTimeout(() => child.kill('SIGKILL'), 250_000)
      for await (const text of child.stderr) {
        // unshare itself passes nothing on: its child is process 1.
        if (String(text).includes('computing')) process.kill(childOf(child.pid!), 'SIGTERM')
      }
      expect(await ended).toBe(143)
      clearTimeout(stuck)
    },
  )

  it('let work end cleanly once it has something to save', async () => {
    // Told again, because the first line comes before there is anything to save.
    const saving = workingThen(
      `setUnsaved(true)
      console.log('saving')
      await new Promise(resolve => {
        const alive = setInterval(() => {}, 1000)
        abort.addEventListener('abort', () => { clearInterval(alive); resolve() })
      })
      console.log('saved')`,
      `const { signal } = await interruptible(work, () => {}, { startsUnsaved: true })
      process.exitCode = exitCodeOf(signal)`,
    )
    expect(await killedWhenWorking(saving, 'SIGTERM', 'saving')).toMatchObject({
      code: 143,
      out: 'working\nsaving\nsaved\n',
    })
  })

  it('end it at once when they come a second time', async () => {
    const ended = await run(true, 'SIGINT', 'SIGTERM')
    expect([ended.code, ended.out]).toEqual([143, 'working\nfirst SIGINT\nasked to stop\n'])
    expect((await run(true, 'SIGTERM', 'SIGINT')).code).toBe(130)
  })
})
