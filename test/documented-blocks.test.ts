import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, CommanderError } from 'commander'
import { InferenceSession } from 'onnxruntime-node'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandLine as benchCommandLine } from '../bench/command-line.ts'
import { dataLoadingArguments } from '../bench/data-loading-arguments.ts'
import { commandLine as gpuCommandLine } from '../bench/gpu-command-line.ts'
import { configurationReference } from '../docs/configuration.ts'
import { commandLine } from '../src/cli/commands.ts'
import type { TrainFlags } from '../src/cli/flags.ts'
import { planTraining } from '../src/cli/plan.ts'
import { queueOf } from '../src/cli/queue-flags.ts'
import { planCommand } from '../src/cli/sweep-plan.ts'
import { separateResume } from '../src/cli/train.ts'
import { applyOverrides, resolveConfig } from '../src/config/config.ts'
import { chooseParameters, parseRecipe, recipeConfig } from '../src/config/recipe.ts'
import { loadRecipe, recipeNames } from '../src/config/recipe-files.ts'
import { loadComponents } from '../src/config/use.ts'
import { watchedFolders } from '../src/watch/find-runs.ts'
import { type Code, codeOf, pages, type Statement, statementsOf } from './markdown.ts'
import { fillReadersFolder } from './readers-folder.ts'
import { moiety } from './tiny.ts'

/**
 * Every block of the pages, and every command, flag and key within their lines, is held against the code: commands are read by
 * the real command line and, where that takes no training, run in a folder such as a reader has; JSON is read by what reads it for
 * users; programs are compiled against the package's own types. A block that nothing here knows fails.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const code = pages.flatMap(page => codeOf(page))
const blocks = code.filter(({ language }) => language !== 'inline')
const inline = code.filter(({ language }) => language === 'inline')
const of = (...languages: string[]): Code[] => blocks.filter(({ language }) => languages.includes(language))

/** What is not code that anything here could read, and why. */
const prose: readonly { readonly page: string; readonly language: string; readonly why: string }[] = [
  { page: 'README.md', language: 'text', why: 'what a training of minutes prints, which differs by machine' },
  { page: 'docs/explanation/METHOD.md', language: 'text', why: 'formulas' },
  { page: 'docs/explanation/METHOD.md', language: 'indented', why: 'formulas' },
  {
    page: 'docs/reference/detection-evaluation.md',
    language: 'text',
    why: 'forms of files, with … for what is left out',
  },
  { page: 'docs/explanation/how-it-works.md', language: 'indented', why: 'formulas' },
  { page: 'docs/guide/figures.md', language: 'latex', why: 'LaTeX is not installed where tests run' },
  { page: 'docs/guide/figures.md', language: 'markdown', why: 'a page that has numbers next to it' },
]

/** JSON blocks, by the heading that they stand below, and what reads them. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  'docs/guide/index.md: Recipes and settings': text => {
    const recipe = parseRecipe(JSON.parse(text), 'mine.json')
    return recipeConfig(recipe, chooseParameters(recipe, []))
  },
  'docs/guide/components.md: Data, transforms, metrics and callbacks': async text => {
    writeFileSync('with-components.json', text)
    const recipe = await loadRecipe('with-components.json')
    return resolveConfig(recipeConfig(recipe, chooseParameters(recipe, [])), 'docs/guide/components.md')
  },
  'docs/guide/sweeps.md: The file': async text => {
    writeFileSync('documented.json', text)
    return (await planCommand('documented.json', {})).plan
  },
  'docs/results.md: COCO: overfitting 32 images, and a ResNet-50': text =>
    resolveConfig(JSON.parse(text), 'docs/results.md'),
}

/** Programs that are compiled, and not run. */
const notRun: Readonly<Record<string, string>> = {
  'docs/guide/library.md: As a library': 'trains for a minute',
  'docs/guide/detection-data.md: Drawn scenes': 'draws 4,400 scenes',
}

let folder = ''
const before = process.cwd()
beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'moiety-reader-')))
  process.chdir(folder)
  await fillReadersFolder(of('json').find(({ page }) => page === 'docs/guide/sweeps.md')!.text)
  mkdirSync('node_modules')
  symlinkSync(root, join('node_modules', 'moiety'), 'junction')
  symlinkSync(join(root, 'node_modules', 'zod'), join('node_modules', 'zod'), 'junction')
  // What docs/guide/components.md tells readers to write, which its commands load.
  for (const { language, text } of codeOf('docs/guide/components.md')) {
    const [, name] = /^\/\/ (my-\w+\.js)\n/.exec(text) ?? []
    if (language !== 'js' || name === undefined) continue
    writeFileSync(name, text)
    await loadComponents([name])
  }
  symlinkSync(
    join(root, 'node_modules', 'onnxruntime-node'),
    join('node_modules', 'onnxruntime-node'),
    'junction',
  )
})
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

describe('every block', () => {
  it('is of a kind that is checked below, or listed with a reason', () => {
    const checked = ['sh', 'bash', 'json', 'ts', 'js', 'python']
    const isProse = ({ page, language }: Code): boolean =>
      prose.some(one => one.page === page && one.language === language)
    const unknown = blocks.filter(block => !checked.includes(block.language) && !isProse(block))
    expect(unknown.map(({ where, language }) => `${where}: "${language}"`)).toEqual([])
    const unused = prose.filter(
      one => !blocks.some(({ page, language }) => page === one.page && language === one.language),
    )
    expect(unused).toEqual([])
  })

  it('of commands is fenced as sh', () => {
    const commands = of('indented', 'text', '').filter(({ text }) => /^(npm|npx|node|moiety)\b/m.test(text))
    expect(commands.map(({ where }) => where)).toEqual([])
  })
})

describe('shell blocks', () => {
  const parts = [...of('sh', 'bash'), ...helpExamples()]
  it.each([...new Set(parts.map(({ page }) => page))])('of %s do what they say', async page => {
    for (const { where, text } of parts.filter(part => part.page === page))
      for (const statement of statementsOf(text))
        await check(statement).catch((error: unknown) => {
          throw new Error(`${where}: ${statement.words.join(' ')}: ${String(error)}`)
        })
  })
})

describe('code within lines', () => {
  const flags = new Set([...leaves(commandLine()), benchCommandLine(), gpuCommandLine()].flatMap(flagsOf))
  /** Of npm and of vitest. */
  const foreign = ['--silent', '--update', '--logdir']

  it('has commands that there are', () => {
    const wrong = inline.flatMap(({ where, text }) =>
      /^(time |npx )*(moiety|npm|vitest) /.test(text)
        ? statementsOf(text).flatMap(statement => {
            try {
              readMention(statement.words)
              return []
            } catch (error) {
              return `${where}: ${text}: ${String(error)}`
            }
          })
        : [],
    )
    expect(wrong).toEqual([])
  })

  it('has flags that there are', () => {
    const named = inline.flatMap(({ where, text }) =>
      [...text.matchAll(/(?<![\w-])--[a-z][\w-]*/g)].map(([flag]) => ({ where, flag })),
    )
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter(({ flag }) => !flags.has(flag) && !foreign.includes(flag))).toEqual([])
  })

  it('--json is where docs/guide/index.md says: everywhere but in worker', () => {
    const doing = leaves(commandLine()).filter(command => command.parent !== null)
    const without = doing
      .filter(command => !flagsOf(command).includes('--json'))
      .map(command => command.name())
    expect(without).toEqual(['worker'])
  })

  it('has keys of the configuration that there are, with values that are taken', () => {
    const keys = configurationKeys()
    const groups = [...new Set([...keys].map(key => key.split('.')[0]))].filter(group =>
      keys.has(`${group}.`),
    )
    const pattern = new RegExp(`^(?:--set )?((?:${groups.join('|')})(?:\\.[\\w]+)+)(=\\S+)?$`)
    const files = /\.(json|onnx|safetensors|ts|yaml)$/
    let count = 0
    const wrong = inline.flatMap(({ where, text }) => {
      const [, key = '', value] = pattern.exec(text) ?? []
      // Fields of reports are keys of other files, which a test of their own compares with the schemas.
      if (key === '' || files.test(key) || where.startsWith('docs/reference/fields.md')) return []
      count++
      if (!keys.has(key.replaceAll(/\.\d+(?=\.)/g, '.N'))) return `${where}: ${text}`
      if (value === undefined) return []
      try {
        resolveConfig(applyOverrides({}, [`${key}${value}`]), where)
        return []
      } catch (error) {
        return `${where}: ${text}: ${String(error)}`
      }
    })
    expect(count).toBeGreaterThan(20)
    expect(wrong).toEqual([])
  })

  it('has variables of the environment that something reads, and all that users may set', () => {
    const documented = new Set(code.flatMap(({ text }) => text.match(/MOIETY_[A-Z]+/g) ?? []))
    const read = new Set(
      ['src', 'test'].flatMap(
        place =>
          execFileSync('grep', ['-rhoE', 'MOIETY_[A-Z]+', join(root, place)], { encoding: 'utf8' }).match(
            /\S+/g,
          ) ?? [],
      ),
    )
    expect([...documented].filter(name => !read.has(name))).toEqual([])
    for (const name of ['MOIETY_CACHE', 'MOIETY_DEBUG', 'MOIETY_QUEUE'])
      expect(documented, name).toContain(name)
  })
})

describe('JSON blocks', () => {
  it.each(of('json'))('$where is what it is said to be', async ({ page, heading, text }) => {
    const read = readers[`${page}: ${heading}`]
    expect(read, `no reader for a JSON block of ${page} below "${heading}"`).toBeDefined()
    await read!(text)
  })
})

describe('programs', () => {
  const programs = of('ts', 'js')

  it('are right by the types that the package exports', () => {
    expect(programs.length).toBeGreaterThan(3)
    expect(mistakesIn(programs)).toEqual([])
  })

  it.each(programs.filter(({ page, heading }) => !(`${page}: ${heading}` in notRun)))(
    '$where runs',
    ({ text }) => {
      copyFileSync(join('runs', 'sample-1', 'model.onnx'), 'model.onnx')
      const target = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext }
      writeFileSync('block.mjs', ts.transpileModule(text, { compilerOptions: target }).outputText)
      execFileSync(process.execPath, ['block.mjs'], { stdio: 'pipe' })
    },
  )

  it('in Python name what an exported file has', async () => {
    const session = await InferenceSession.create(join('runs', 'sample-1', 'model.onnx'))
    const known = new Set([...session.inputNames, ...session.outputNames, 'model.onnx'])
    const python = of('python')
    const named = python.flatMap(({ text }) => [...text.matchAll(/"([^"]*)"/g)].map(match => match[1]!))
    expect(named.length).toBeGreaterThan(2)
    expect(named.filter(name => !known.has(name))).toEqual([])
  })
})

/** All commands that do something, those below others too. */
function leaves(command: Command): Command[] {
  return [command, ...command.commands.flatMap(leaves)]
}

function flagsOf(command: Command): string[] {
  return [...command.options.flatMap(({ long }) => long ?? []), '--help', '--resume=auto']
}

interface Read {
  /** Such as `recipes show`. */
  readonly path: string
  readonly args: readonly unknown[]
  readonly flags: Record<string, unknown>
}

/** What the command line makes of words, with nothing run. @throws CommanderError, MoietyError for words that it refuses */
function read(words: readonly string[], program = commandLine()): Read {
  let found: Read | undefined
  const silent = { writeOut: () => undefined, writeErr: () => undefined, outputError: () => undefined }
  for (const command of leaves(program)) {
    command.exitOverride().configureOutput(silent)
    command.action(() => {
      const names: string[] = []
      for (let at: Command | null = command; at?.parent != null; at = at.parent) names.unshift(at.name())
      if (command.commands.length > 0 && command.args.length > 0)
        throw new Error(`${names.join(' ')} has no ${command.args[0]}`)
      found = { path: names.join(' '), args: command.processedArgs, flags: command.optsWithGlobals() }
    })
  }
  program.parse(separateResume(words), { from: 'user' })
  if (found === undefined) throw new Error('no command')
  return found
}

/** The examples that the commands' own help has. */
function helpExamples(): Code[] {
  return leaves(commandLine()).flatMap(command => {
    let help = ''
    command.configureOutput({
      writeOut: text => {
        help += text
      },
    })
    command.outputHelp()
    const [, examples = ''] = /\nExamples?:\n((?: {2}.*(?:\n|$))+)/.exec(help) ?? []
    const page = `moiety ${command.name()} --help`
    return examples === '' ? [] : [{ page, where: page, heading: '', language: 'sh', text: examples }]
  })
}

/** @throws Error unless it is so */
function demand(isSo: boolean, message: string): void {
  if (!isSo) throw new Error(message)
}

/** The program that runs, with or without npx in front, and what it is given. */
function programOf([first = '', ...rest]: readonly string[]): [program: string, words: string[]] {
  return first === 'npx' || first === 'time' ? programOf(rest) : [first, rest]
}

const done = new Set<string>()

/** Runs that the page has "trained": only planned here, so that what looks at one is given a run with a checkpoint. */
const planned = new Set<string>()

/** Reads a documented statement, and runs it where that is quick. @throws whatever it is that is wrong with it */
async function check({ words, variables }: Statement): Promise<void> {
  const [program, given] = programOf(words)
  const rest = program === 'npm' ? given : forReader(given)
  const key = JSON.stringify([variables, program, rest])
  if (done.has(key)) return
  done.add(key)
  if (program === 'moiety') await checkCommand(rest, variables)
  else if (program === 'npm') checkNpm(rest)
  else if (program === 'vite' || program === 'vitest') checkPaths(program, rest)
  else if (program === 'sbatch' || program === 'kubectl') {
    // What `sweep --emit` has written just before.
    const file = rest.at(-1)!
    demand(existsSync(file), `there is no ${file}`)
  } else throw new Error('nothing checks such a command: add a check, or list the block with a reason')
}

/** The words with what a reader would put in, and with what a shell would make of patterns. */
function forReader(words: readonly string[]): string[] {
  const runs = ['runs/sample-1', 'runs/sample-2']
  const isOfBoxes = words.some(word => /coco-|retinanet/.test(word))
  const meant: Readonly<Record<string, () => string[]>> = {
    RUN: () => [runs.shift() ?? 'runs/sample-1'],
    OTHER: () => ['runs/sample-2'],
    IMAGE: () => ['photo.jpg'],
    FILE: () => ['rates.json'],
    ANNOTATIONS: () => ['annotations.json'],
    DETECTIONS: () => ['detections.json'],
    NAME: () => ['sample'],
    N: () => ['0'],
    COCO: () => ['./coco'],
    DIR: () => [words[0] === 'table' ? 'sweeps/rates' : isOfBoxes ? './coco' : 'data'],
    '…': () => [],
    'runs/*': () => ['runs/sample-1', 'runs/sample-2'],
    'runs/cifar100-small-*': () => ['runs/sample-1', 'runs/sample-2'],
    '*.png': () => ['photo.png'],
  }
  return words.flatMap(word => {
    if (Object.hasOwn(meant, word)) return meant[word]!()
    return [words[0] !== 'train' && planned.has(word) ? 'runs/sample-1' : here(word)]
  })
}

/** A path of another machine, in this folder. */
function here(word: string): string {
  return word.replace(/^\/(shared|mnt)\//, `${folder}/shared/`)
}

async function checkCommand(
  words: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const { path, args, flags } = read(words)
  if (path === 'train')
    return await checkTraining(args[0] as string | undefined, flags as unknown as TrainFlags)
  if (path === 'worker' || flags.queue !== undefined) {
    const { queue, queueFile } = flags as { queue?: string | true; queueFile?: string }
    const environment = variables.MOIETY_QUEUE
    queueOf({
      ...(environment === undefined ? {} : { queue: environment }),
      ...(queue === undefined ? {} : { queue }),
      ...(queueFile === undefined ? {} : { queueFile }),
    })
    for (const flag of ['jobs', 'threads', 'patience'])
      if (flags[flag] !== undefined) expect(flags[flag]).toMatch(/^[1-9]\d*$/)
    if (path === 'worker') return
  }
  // It serves until it is stopped; `watch.test.ts` starts it.
  if (path === 'watch') {
    await watchedFolders(args.flat().map(String))
    return
  }
  // It would download.
  if (path === 'data get') {
    demand(['cifar10', 'cifar100'].includes(String(args[0])), `there is no data set ${args[0]}`)
    return
  }
  const plan = path === 'sweep' && flags.emit === undefined && flags.dryRun === undefined ? ['--dry-run'] : []
  const { code, stderr } = await moiety(...words, ...plan)
  expect(code, stderr).toBe(0)
}

/** Plans a training; its folder then holds a run, so that what the page says next can resume it. */
async function checkTraining(name: string | undefined, flags: TrainFlags): Promise<void> {
  const { config, run, recipe } = await planTraining(name, flags, 'planned')
  if (flags.resume || flags.out === undefined) return
  planned.add(flags.out)
  mkdirSync(run, { recursive: true })
  writeFileSync(join(run, 'config.json'), JSON.stringify(config))
  writeFileSync(join(run, 'environment.json'), JSON.stringify({ recipe }))
}

const packageFile = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
  'scripts' | 'dependencies' | 'devDependencies' | 'optionalDependencies',
  Record<string, string>
>

function checkNpm([verb = '', ...words]: readonly string[]): void {
  const { scripts, dependencies, optionalDependencies } = packageFile
  const rest = words.filter(word => word !== '--silent')
  const packages = { moiety: 'this one', ...dependencies, ...optionalDependencies }
  if (verb === 'ci') demand(rest.length === 0, `npm ci takes nothing, came ${rest}`)
  else if (verb === 'install')
    for (const name of rest) demand(name in packages || name === 'moiety', `${name} is no dependency`)
  else {
    const [script, ...more] = verb === 'run' ? rest : [verb, ...rest]
    demand(script === undefined || script in scripts, `package.json has no script ${script}`)
    if (more.length === 0) return
    if (script === 'bench:data' && more[0] === '--') {
      const { positionals } = dataLoadingArguments(more.slice(1))
      demand(
        /^(tree|open|load)$/.test(positionals[0] ?? '') && positionals.length === 2,
        'tree, open or load',
      )
      return
    }
    const line = { bench: benchCommandLine, 'bench:gpu': gpuCommandLine }[script ?? '']
    demand(line !== undefined && more[0] === '--', 'only benches are known to take words, after --')
    line?.()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .action(() => undefined)
      .parse(more.slice(1), { from: 'user' })
  }
}

/** Vite and vitest are there, and so is what they are given. */
function checkPaths(program: string, words: readonly string[]): void {
  demand(program in packageFile.devDependencies, `${program} is no dependency`)
  for (const word of words.filter(word => word !== 'run' && !word.startsWith('--')))
    demand(existsSync(join(root, word)), `there is no ${word}`)
}

/** A command as a sentence names it: arguments may be missing, all else is as in a block. */
function readMention(words: readonly string[]): void {
  const [program, rest] = programOf(words)
  try {
    if (program === 'npm') checkNpm(rest)
    else if (program === 'moiety') read(rest)
    else checkPaths(program, rest)
  } catch (error) {
    const isFine = [
      'commander.missingArgument',
      'commander.missingMandatoryOptionValue',
      'commander.helpDisplayed',
    ]
    if (!(error instanceof CommanderError && isFine.includes(error.code))) throw error
  }
}

/** `model.moe.N.k` and the like, and `model.` for each group, from the reference that is written from the schema. */
function configurationKeys(): Set<string> {
  const keys = new Set<string>()
  let section = ''
  for (const line of configurationReference().split('\n')) {
    const [, heading] = /^## `(.*)`/.exec(line) ?? []
    if (heading !== undefined) {
      section = `${heading}.`
      const parts = heading.split('.')
      for (const [i] of parts.entries()) keys.add(parts.slice(0, i + 1).join('.'))
      keys.add(`${parts[0]}.`)
    }
    const [, key] = /^\| `([^`]+)`/.exec(line) ?? []
    if (key !== undefined) keys.add(`${section}${key}`)
  }
  return keys
}

/** What the compiler finds wrong in programs that stand in a folder of the package. */
function mistakesIn(programs: readonly Code[]): string[] {
  const { options } = ts.convertCompilerOptionsFromJson(
    ts.readConfigFile(join(root, 'tsconfig.json'), file => ts.sys.readFile(file)).config.compilerOptions,
    root,
  )
  // Not the sources: what the package's `exports` lead to, as for a user.
  delete options.paths
  Object.assign(options, { noUnusedLocals: false, allowJs: true, checkJs: true })
  const texts = new Map(
    programs.map(({ where, language, text }) => [
      join(root, `${where.replaceAll(/[/:.]/g, '-')}.${language}`),
      text,
    ]),
  )
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.getCurrentDirectory = () => root
  host.fileExists = file => texts.has(file) || fileExists(file)
  host.readFile = file => texts.get(file) ?? readFile(file)
  host.getSourceFile = (file, language, ...more) => {
    const text = texts.get(file)
    return text === undefined
      ? getSourceFile(file, language, ...more)
      : ts.createSourceFile(file, text, language)
  }
  const program = ts.createProgram([...texts.keys()], options, host)
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, messageText }) =>
        `${file?.fileName.slice(root.length) ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    )
}

describe('recipes that the pages name', () => {
  it('are there', async () => {
    const names = await recipeNames()
    const named = inline.filter(({ text }) => /^(paper|cifar100|coco)-[a-z0-9]+$/.test(text))
    expect(named.length).toBeGreaterThan(5)
    expect(
      named.filter(({ text }) => !names.includes(text)).map(({ where, text }) => `${where}: ${text}`),
    ).toEqual([])
  })
})
