import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { version } from '../files/version.ts'

/** What a run's result may depend on in addition to its configuration; written to `environment.json`. */
export interface Environment {
  readonly moiety: string
  /** The recipe that the run was started with. */
  readonly recipe: string
  readonly node: string
  readonly onnxruntime: string
  /** `cpu`, `webgpu` or `cuda`. */
  readonly device: string
  /** Threads of the engine. */
  readonly threads: number
  /** `linux x64 6.1.0`. */
  readonly platform: string
  readonly cpu: string
  /** Cores that this process may use. */
  readonly cores: number
  /** Main memory in bytes. */
  readonly memory: number
  /** The commit of the working folder, with `-dirty` if there are changes; null outside of a repository. */
  readonly commit: string | null
}

/** Facts from the engine and the command that started the run. */
export type EngineFacts = Pick<Environment, 'onnxruntime' | 'device' | 'threads' | 'recipe'>

function commitOf(folder: string): string | null {
  try {
    const described = execFileSync(
      'git',
      ['describe', '--always', '--dirty', '--abbrev=40', '--match=', '--exclude=*'],
      { cwd: folder, encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    return described.trim() || null
  } catch {
    // No git, or no repository, or no commit yet.
    return null
  }
}

/** @param folder - the folder whose commit is recorded: the working folder */
export function describeEnvironment(engine: EngineFacts, folder: string = process.cwd()): Environment {
  return {
    moiety: version,
    node: process.versions.node,
    ...engine,
    platform: `${process.platform} ${process.arch} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory: totalmem(),
    commit: commitOf(folder),
  }
}
