import { asciiJson, visible } from '../base/escaping.ts'

/** Parameters of the manifest. */
export interface KubernetesJob {
  readonly title: string
  /** Of the sweep: small letters, digits and hyphens. */
  readonly name: string
  /** A container image in which `moiety` is a command. */
  readonly image: string
  readonly runs: number
  /** Number of concurrent runs, and cores for each. */
  readonly jobs: number
  readonly threads: number
  /** Number of retries of a failed pod. */
  readonly retries: number
  /** A sweep's name, if it comes with Moiety; else its file, and its recipe's if that is a file too. */
  readonly sweep: string | { readonly sweep: object; readonly recipe: object | undefined }
  /** Whether the runs read data from a disk. */
  readonly hasData: boolean
}

/** Size limit of a ConfigMap. */
export const mostBytes = 1_000_000

const block = (name: string, value: object): string =>
  `  ${name}: |\n${asciiJson(value, 2)
    .split('\n')
    .map(line => `    ${line}`)
    .join('\n')}\n`

/**
 * An Indexed Job with a pod for each run of the plan, and a ConfigMap with the sweep's file if it is the user's own. A pod that
 * is moved (a drained node, a preemption) restarts and resumes from the last checkpoint, which is not a failure; one that
 * ended with code 2, 3 or 4 would do so again, and is not retried.
 */
export function kubernetesManifest(job: KubernetesJob): string {
  const { title, image, runs, jobs, threads, retries, sweep, hasData } = job
  const name = `moiety-${job.name}`.slice(0, 50).replace(/-+$/, '')
  const isOwn = typeof sweep !== 'string'
  const words = [
    ...['moiety', 'sweep', isOwn ? '/sweep/sweep.json' : sweep, '--out', `/runs/${job.name}`],
    ...(hasData ? ['--data', '/data'] : []),
    ...['--run', '$(JOB_COMPLETION_INDEX)', '--threads', String(threads)],
  ]
  const volumes = [
    {
      mount: '/runs',
      name: 'runs',
      source: '          persistentVolumeClaim:\n            claimName: moiety-runs',
    },
    ...(hasData
      ? [
          {
            mount: '/data',
            name: 'data',
            isReadOnly: true,
            source: '          persistentVolumeClaim:\n            claimName: moiety-data',
          },
        ]
      : []),
    ...(isOwn
      ? [
          {
            mount: '/sweep',
            name: 'sweep',
            isReadOnly: true,
            source: `          configMap:\n            name: ${name}`,
          },
        ]
      : []),
  ]
  const configMap = isOwn
    ? `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
data:
${block('sweep.json', sweep.sweep)}${sweep.recipe === undefined ? '' : block('recipe.json', sweep.recipe)}---
`
    : ''
  return `# ${visible(title)}: ${runs} run${runs === 1 ? '' : 's'} of the sweep ${job.name}, a pod for each; kubectl apply -f this file.
# It needs Kubernetes 1.29 or newer, the image, and the claim moiety-runs, which
# several nodes can write to (ReadWriteMany)${hasData ? '; moiety-data holds the data' : ''}.
${configMap}apiVersion: batch/v1
kind: Job
metadata:
  name: ${name}
spec:
  completionMode: Indexed
  completions: ${runs}
  parallelism: ${jobs}
  backoffLimitPerIndex: ${retries}
  podFailurePolicy:
    rules:
      # The node went away, and the run is not to blame.
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
      # Usage, data, diverged: it would end so again.
      - action: FailIndex
        onExitCodes:
          containerName: moiety
          operator: In
          values: [2, 3, 4]
  template:
    spec:
      restartPolicy: Never
      # Time for a checkpoint.
      terminationGracePeriodSeconds: 120
      containers:
        - name: moiety
          # Built from Moiety's Dockerfile, or any in which moiety is a command.
          image: ${asciiJson(image)}
          command:
${words.map(word => `            - ${asciiJson(word)}`).join('\n')}
          resources:
            requests:
              cpu: ${threads}
              # A guess: change it to what your runs need.
              memory: 8Gi
            limits:
              memory: 8Gi
          volumeMounts:
${volumes
  .map(
    volume =>
      `            - name: ${volume.name}\n              mountPath: ${volume.mount}${'isReadOnly' in volume ? '\n              readOnly: true' : ''}`,
  )
  .join('\n')}
      volumes:
${volumes.map(volume => `        - name: ${volume.name}\n${volume.source}`).join('\n')}
`
}
