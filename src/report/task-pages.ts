import type { Pictures } from '../analysis/analysed.ts'
import { classificationPage } from './classification-page.ts'
import { detectorPage } from './detection/detector-page.ts'
import { generalPage } from './general-page.ts'
import { multiLabelPage } from './multi-label-page.ts'
import type { Reading } from './reading.ts'
import type { PageOfTask, TaskPage } from './task-page.ts'

/** The tasks whose page has more than every task's. */
const taskPages: readonly PageOfTask[] = [classificationPage, multiLabelPage, detectorPage]

/** What a task's page adds. */
export function taskPage(reading: Reading, pictures: Pictures): TaskPage {
  for (const pageOf of taskPages) {
    const page = pageOf(reading, pictures)
    if (page !== null) return page
  }
  return generalPage(reading)
}
