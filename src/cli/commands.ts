import { Command } from 'commander'
import { terminal, visible } from '../base/escaping.ts'
import { version } from '../files/version.ts'
import { withoutPassword } from '../sweep/queue-address.ts'
import { addCompare } from './compare.ts'
import { addData } from './data.ts'
import { addDoctor } from './doctor.ts'
import { addEval } from './eval.ts'
import { addEvalDetections } from './eval-detections.ts'
import { addExplain } from './explain.ts'
import { addExport } from './export.ts'
import { explainFailure } from './failure.ts'
import { repeatable } from './output.ts'
import { addPredict } from './predict.ts'
import { addRecipes } from './recipes.ts'
import { addSchema } from './schema.ts'
import { addSweep } from './sweep.ts'
import { addTable } from './table.ts'
import { addTrain, separateResume } from './train.ts'
import { addWatch } from './watch.ts'
import { addWorker } from './worker.ts'

/**
 * Runs a command to its end: results on stdout, all else on stderr. This file and those of the commands import nothing heavy at
 * the top: what a command needs is loaded when it runs, so that `--help` answers at once.
 *
 * @param words - what stands after `moiety`
 * @returns the exit code
 */
export async function runCommand(words: readonly string[]): Promise<number> {
  try {
    const program = commandLine()
    await loadUsed(program, words)
    await program.parseAsync(separateResume(words), { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    const failure = explainFailure(error, Boolean(process.env.MOIETY_DEBUG))
    process.stderr.write(terminal(withoutPassword(failure.text)))
    return failure.exitCode
  }
}

/** All commands with their arguments and options, as a test reads them too. */
export function commandLine(): Command {
  const moiety = new Command('moiety')
    .description(
      'Trains convolutional networks with mixtures of experts inside, keeps the experts balanced, and shows how they specialize.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .configureHelp({ showGlobalOptions: true })
    .helpCommand('help [command]', 'explain a command')
    .showHelpAfterError('(add --help for what is possible)')
    // It repeats words that it does not know, as `--queu=redis://:PASSWORD@HOST`. Commands inherit this.
    .configureOutput({
      writeErr: text => process.stderr.write(terminal(withoutPassword(text))),
      outputError: (text, write) => write(onItsLine(text)),
    })
    .addOption(
      repeatable(
        '--use <file>',
        'load components of your own (networks, data sets, constraints, …), for any command; runs the code in the file',
      ),
    )
    .exitOverride()
    .addHelpText(
      'after',
      `
\`moiety train\` needs nothing: it trains on an embedded sample for a few minutes.

Exit codes: 0 done, 1 a bug in Moiety, 2 usage or configuration, 3 data, 4 diverged, 5 checkpoint or disk,
6 some runs of a sweep failed, 129, 130 or 143 interrupted: trainings, also those of sweep and worker, after a clean checkpoint
(before the first step at once), other commands at once, with no file half written.`,
    )
  addTrain(moiety)
  addWatch(moiety)
  addSweep(moiety)
  addWorker(moiety)
  addTable(moiety)
  addEval(moiety)
  addEvalDetections(moiety)
  addExplain(moiety)
  addPredict(moiety)
  addCompare(moiety)
  addExport(moiety)
  addRecipes(moiety)
  addData(moiety)
  addSchema(moiety)
  addDoctor(moiety)
  return moiety
}

/** Loads what `--use` names, before anything reads a configuration; the help then says what the files have. */
async function loadUsed(program: Command, words: readonly string[]): Promise<void> {
  const files = words.flatMap((word, i) => {
    if (word === '--use') return words[i + 1] ?? []
    return word.startsWith('--use=') ? word.slice('--use='.length) : []
  })
  if (files.length === 0) return
  const { loadComponents } = await import('../config/use.ts')
  await loadComponents(files)
  const { componentsText } = await import('./components-text.ts')
  const plain = { bold: (text: string) => text, dim: (text: string) => text }
  program.addHelpText('afterAll', `\nComponents of your own:\n${componentsText(plain)}`)
}

/** Commander's own error, which repeats what was typed, on one line; a suggestion is on the next. */
function onItsLine(text: string): string {
  const [, message = '', hint = ''] = /^(.*?)(\n\(Did you mean [^\n]*\))?\n$/s.exec(text) ?? [text, text]
  return `${visible(message)}${hint}\n`
}
