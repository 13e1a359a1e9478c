/** What the server of `moiety watch` sends to its page, as JSON. It imports nothing from Node, for the page has these types too. */

/**
 * - `planned`: a sweep has it in its plan, and it has no folder yet
 * - `preparing`: a process has its lock, and there is no step yet
 * - `training`: a process has its lock, and its heartbeat is seen
 * - `finished`: it has a summary
 * - `stopped`: it ended before its last epoch, with its lock released
 * - `crashed`: its lock is of a process that has ended or has no heartbeat
 * - `failed`: its sweep has recorded an error, or its configuration cannot be read
 */
export type RunState = 'planned' | 'preparing' | 'training' | 'finished' | 'stopped' | 'crashed' | 'failed'

/** A number that ranks runs of a task, on held-out images. */
export interface RowScore {
  readonly name: string
  readonly label: string
  readonly split: string
  readonly value: number
}

/** What the list of runs shows of one. */
export interface RunRow {
  readonly id: string
  /** Its path below the watched folder. */
  readonly name: string
  readonly state: RunState
  /** Why it is in that state, where there is something to say. */
  readonly why: string | null
  readonly step: number
  /** Of the whole training; null before it is known. */
  readonly steps: number | null
  /** Epochs that are done, and all of them. */
  readonly epoch: number
  readonly epochs: number | null
  readonly score: RowScore | null
  readonly loss: number | null
  readonly imagesPerSecond: number | null
  readonly secondsLeft: number | null
  /** Collapse at the last test. */
  readonly alarm: string | null
  readonly hasReport: boolean
  /** Grows and shrinks with the log: where it is another number, there is something new. */
  readonly size: number
  /** Values of the keys in which runs differ, see {@link Overview.keys}. */
  readonly values: Readonly<Record<string, string>>
}

/** All runs. */
export interface Overview {
  /** Names of the watched folders. */
  readonly folders: readonly string[]
  /** Keys of configurations that have several values, those of a sweep's axes first. */
  readonly keys: readonly string[]
  readonly runs: readonly RunRow[]
  /** Why there are fewer runs than in the folders; null where there are not. */
  readonly limited: string | null
}

/** Events of the stream `api/events`, by their names. */
export interface WatchEvents {
  /** Everything: at first, and where events were missed. */
  readonly overview: Overview
  /** Runs that have changed. */
  readonly runs: readonly RunRow[]
}

/** A number over steps; one value a bucket, null where there is none. `min` and `max` are left out where each bucket is one step. */
export interface Curve {
  readonly mean: readonly (number | null)[]
  readonly min?: readonly (number | null)[]
  readonly max?: readonly (number | null)[]
}

/** A mixture over steps: a row a bucket, a column an expert. */
export interface LayerCurves {
  readonly name: string
  /** Mean share of the gate weights. */
  readonly shares: readonly (readonly (number | null)[])[]
  /** Share of the steps in which a hard constraint excluded the expert; null where none ever did. */
  readonly excluded: readonly (readonly (number | null)[])[] | null
  /** Values of the constraint's counters after the bucket's last step. */
  readonly counters: Readonly<Record<string, readonly (readonly (number | null)[])[]>>
}

/** A test on held-out images. */
export interface TestPoint {
  readonly step: number
  readonly split: string
  readonly loss: number | null
  readonly measures: Readonly<Record<string, number | null>>
}

/** A run's steps in buckets. */
export interface StepCurves {
  /** Another number: the log was read from its beginning again, and nothing known before is valid. */
  readonly generation: number
  /** Steps of a bucket; the number of a bucket is ⌊step / width⌋. */
  readonly width: number
  /** Whether every line of the log is in it; otherwise single lines, while the log is read. */
  readonly isWhole: boolean
  /** The last step of each bucket. */
  readonly steps: readonly number[]
  readonly curves: Readonly<Record<string, Curve>>
  readonly layers: readonly LayerCurves[]
  /** All tests; none where not the whole log is read. */
  readonly tests: readonly TestPoint[]
}

/** What is known of a run's mixture when an epoch, on one split, is over. */
export interface EpochLayer {
  readonly name: string
  readonly importance: readonly (number | null)[]
  readonly activation: readonly (number | null)[]
  readonly excluded: readonly (number | null)[]
  readonly counters: Readonly<Record<string, readonly (number | null)[]>>
  readonly cvImportance: number | null
  readonly active: number | null
}

/** An epoch on one split. */
export interface EpochRow {
  readonly epoch: number
  readonly step: number
  readonly split: string
  readonly loss: number | null
  readonly seconds: number | null
  readonly measures: Readonly<Record<string, number | null>>
  readonly layers: readonly EpochLayer[]
}

/** An alarm of the training: experts of a layer have nearly no part in the work. */
export interface AlarmRow {
  readonly step: number
  readonly epoch: number
  readonly layer: string
  readonly message: string
}

/** The images of an expert at a test. */
export interface Gallery {
  readonly expert: number
  /** Number of its picture, `api/runs/ID/strips/NUMBER`; null where the folder has none. */
  readonly strip: number | null
  readonly images: readonly {
    readonly image: number
    readonly weight: number
    readonly classes: readonly string[]
  }[]
}

/** The galleries of a test. */
export interface TestGalleries {
  readonly step: number
  readonly split: string
  readonly layers: readonly { readonly name: string; readonly galleries: readonly Gallery[] }[]
}

/** Everything about one run that is not over steps. */
export interface RunDetails {
  readonly id: string
  readonly epochs: readonly EpochRow[]
  readonly alarms: readonly AlarmRow[]
  readonly tests: readonly TestGalleries[]
  /** Why there are no pictures; null where there are. */
  readonly noPictures: string | null
  /** Leaves of the configuration; of paths only the last name. */
  readonly config: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  /** Known where the whole log has been read. */
  readonly log: {
    readonly isWhole: boolean
    readonly lines: number
    /** Lines that are none of this format, and the numbers of the first of them. */
    readonly damaged: number
    readonly damagedLines: readonly number[]
    /** Steps with a value that is not finite. */
    readonly nonFinite: number
    /** Steps that were taken again after a resume. */
    readonly repeated: number
  }
}
