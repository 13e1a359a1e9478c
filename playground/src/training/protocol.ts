import type { Config, LayerInfo } from 'moiety/step'
import type { ImageData } from './data.ts'
import type { Look, Snapshot, StepReport, TestReport } from './training.ts'
import type { Traffic, WebDevice } from './web-engine.ts'

/** What the page asks of the worker of a run. */
export type Order =
  | {
      readonly kind: 'start'
      readonly from: Config | Snapshot
      readonly data: ImageData | undefined
      readonly isTrainable: boolean
      /** Of a run without data. */
      readonly classes: number
      readonly size: number
      readonly device: WebDevice
      readonly threads: number
      /** Address of the folder with ONNX Runtime's files. */
      readonly files: string
    }
  /** Train until so many steps are done. */
  | { readonly kind: 'until'; readonly step: number }
  | { readonly kind: 'test' }
  /** @param pixels - uint8 [3, S, S] */
  | {
      readonly kind: 'look'
      readonly number: number
      readonly pixels: Uint8Array
      readonly mean: ImageData['mean']
      readonly std: ImageData['std']
    }
  | { readonly kind: 'snapshot' }
  /** @param name - of the archive, to which the step of the snapshot is added: the worker may be ahead of the page */
  | { readonly kind: 'export'; readonly name: string }
  /** For tests: the graphics card is taken away. */
  | { readonly kind: 'lose' }

/** What it answers. */
export type Answer =
  | {
      readonly kind: 'ready'
      readonly device: WebDevice
      readonly threads: number
      readonly step: number
      readonly layers: readonly LayerInfo[]
      readonly parameters: number
      readonly isDone: boolean
    }
  | {
      readonly kind: 'step'
      readonly report: StepReport
      readonly isDone: boolean
      readonly traffic: Traffic
    }
  | { readonly kind: 'test'; readonly report: TestReport }
  | { readonly kind: 'look'; readonly number: number; readonly look: Look }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  /** A zip archive. */
  | { readonly kind: 'export'; readonly name: string; readonly bytes: Uint8Array }
  /** @param isLost - the device is gone, and another worker can go on from the last snapshot */
  | {
      readonly kind: 'failed'
      readonly message: string
      readonly help: string | undefined
      readonly isLost: boolean
    }
