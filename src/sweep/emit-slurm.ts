import { shellWord, visible } from '../base/escaping.ts'

/** Parameters of the files for a cluster; paths are absolute. */
export interface SlurmJob {
  readonly title: string
  /** Of the sweep: small letters, digits and hyphens. */
  readonly name: string
  readonly folder: string
  /** Their names. */
  readonly runs: readonly string[]
  /** Number of concurrent runs, and cores for each. */
  readonly jobs: number
  readonly threads: number
  /** The command, up to `--run`: `node`, `…/main.js`, or how a container is started; `sweep`, the file and what was set for all runs. */
  readonly words: readonly string[]
}

/** A file that is written into the sweep's folder. */
export interface SlurmFile {
  readonly name: string
  readonly text: string
}

/** Slurm's own limit (MaxArraySize 1001): tasks have the numbers 0 … 1000. */
export const usualArrayLimit = 1001

/**
 * The files for a sweep: `slurm.sh`, or where a site's arrays hold fewer tasks than there are runs, `slurm-1.sh`, `slurm-2.sh`, … of about
 * the same size and `slurm-submit.sh`, which submits one after the other, so that there are never more than `jobs` runs at once.
 */
export function slurmFiles(job: SlurmJob, arrayLimit: number): readonly SlurmFile[] {
  const count = Math.ceil(job.runs.length / arrayLimit)
  if (count <= 1) return [{ name: 'slurm.sh', text: slurmScript(job) }]
  const size = Math.ceil(job.runs.length / count)
  const parts = Array.from({ length: count }, (_, part): SlurmFile => {
    const runs = job.runs.slice(part * size, (part + 1) * size)
    const title = `${job.title} (${part + 1} of ${count})`
    return {
      name: `slurm-${part + 1}.sh`,
      text: slurmScript({ ...job, title, runs, jobs: Math.min(job.jobs, runs.length) }),
    }
  })
  return [{ name: 'slurm-submit.sh', text: submitScript(job, parts) }, ...parts]
}

function submitScript({ title, name, folder, runs }: SlurmJob, parts: readonly SlurmFile[]): string {
  return `#!/bin/bash
# ${visible(title)}: ${runs.length} runs of the sweep ${name}, in ${parts.length} arrays. Run it with bash: it submits them, each to begin when the one before has ended.
set -euo pipefail

previous=
for part in ${parts.map(part => part.name).join(' ')}; do
  job=$(sbatch --parsable \${previous:+"--dependency=afterany:$previous"} ${shellWord(folder)}/"$part")
  # With several clusters it is number;cluster.
  previous=\${job%%;*}
  echo "$part: job $previous"
done
`
}

/** A task's log, for sbatch, where % begins a pattern; the folder's name has nothing invisible and no backslash. */
function logOption(folder: string): string {
  const path = `${folder.replaceAll('%', '%%')}/logs/slurm-%A-%a.log`
  return /^[\w./%-]+$/.test(path) ? path : `"${path.replaceAll('"', '\\"')}"`
}

/**
 * The script of a Slurm array with a task for each run. Two minutes before its time limit a task gets USR1, writes a
 * checkpoint and requeues itself; TERM, which `scancel` sends, ends it after a checkpoint. Both are passed to the training
 * as HUP: Slurm may send it TERM as well, and a second TERM would end it without one.
 */
export function slurmScript({ title, name, folder, runs, jobs, threads, words }: SlurmJob): string {
  return `#!/bin/bash
# ${visible(title)}: ${runs.length} run${runs.length === 1 ? '' : 's'} of the sweep ${name}, a task for each.
# Submit it with sbatch; submitted again it continues, and finished runs end at once.
#SBATCH --job-name=moiety-${name}
#SBATCH --array=0-${runs.length - 1}%${jobs}
#SBATCH --cpus-per-task=${threads}
#SBATCH --output=${logOption(folder)}
#SBATCH --open-mode=append
# Guesses: change both to what your runs need. A task that is not done in its time continues in another.
#SBATCH --mem=8G
#SBATCH --time=04:00:00
# Two minutes before the end: time for a checkpoint. A node that fails gives its task to another.
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
set -euo pipefail

# Here and in no file: Slurm keeps this script as it was submitted, whatever is written next to it until a task starts.
runs=(
${runs.map(run => `  ${shellWord(run)}`).join('\n')}
)
run=\${runs[SLURM_ARRAY_TASK_ID]}
moiety=(
${words.map(word => `  ${shellWord(word)}`).join('\n')}
)

"\${moiety[@]}" --run "$run" --threads "\${SLURM_CPUS_PER_TASK:-${threads}}" &
training=$!

signalled=no
again=no
trap 'again=yes; signalled=yes; kill -HUP "$training" 2> /dev/null || true' USR1
trap 'signalled=yes; kill -HUP "$training" 2> /dev/null || true' TERM INT

code=0
wait "$training" || code=$?
# A signal ends the waiting, and not yet the training.
while [ "$signalled" = yes ]; do
  signalled=no
  ended=0
  wait "$training" || ended=$?
  [ "$ended" = 127 ] || code=$ended
done

# 129: it was stopped, after a checkpoint.
if [ "$again" = yes ] && [ "$code" = 129 ]; then
  scontrol requeue "\${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
`
}
