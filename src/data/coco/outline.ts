import { isJsonObject, type Json } from '../../files/json.ts'
import type { Box } from './record.ts'

/** Box and area of an object's outline, in pixels and square pixels. */
export interface OutlineExtent {
  readonly box: Box
  readonly area: number
}

/**
 * Box and area of a `segmentation` in one of COCO's forms: a list of polygons [x1, y1, x2, y2, …], or run lengths of a mask,
 * as numbers or compressed. Undefined for anything else.
 */
export function outlineExtent(segmentation: Json | undefined): OutlineExtent | undefined {
  if (Array.isArray(segmentation)) {
    const isOne = segmentation.length > 0 && segmentation.every(value => typeof value === 'number')
    return polygonsExtent(isOne ? [segmentation] : segmentation)
  }
  if (!isJsonObject(segmentation)) return undefined
  const { counts, size } = segmentation
  if (!Array.isArray(size) || size.length !== 2) return undefined
  const [height, width] = size
  if (!isExtent(height) || !isExtent(width)) return undefined
  const runs = typeof counts === 'string' ? uncompressed(counts) : Array.isArray(counts) ? counts : undefined
  return runs && maskExtent(runs, height, width)
}

const isExtent = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 1e6

function polygonsExtent(polygons: readonly Json[]): OutlineExtent | undefined {
  let [left, top, right, bottom, area] = [Infinity, Infinity, -Infinity, -Infinity, 0]
  for (const polygon of polygons) {
    if (!Array.isArray(polygon) || polygon.length < 6 || polygon.length % 2 !== 0) return undefined
    const points: number[] = []
    for (const value of polygon) {
      if (typeof value !== 'number' || !Number.isFinite(value)) return undefined
      points.push(value)
    }
    area += polygonArea(points)
    for (let i = 0; i < points.length; i += 2) {
      left = Math.min(left, points[i]!)
      right = Math.max(right, points[i]!)
      top = Math.min(top, points[i + 1]!)
      bottom = Math.max(bottom, points[i + 1]!)
    }
  }
  return left > right ? undefined : { box: [left, top, right - left, bottom - top], area }
}

/** By the shoelace formula. @param points - x1, y1, x2, y2, … */
export function polygonArea(points: readonly number[]): number {
  let twice = 0
  for (let i = 0; i < points.length; i += 2) {
    const next = (i + 2) % points.length
    twice += points[i]! * points[next + 1]! - points[next]! * points[i + 1]!
  }
  return Math.abs(twice) / 2
}

/** Runs alternate between outside and inside, column by column. */
function maskExtent(runs: readonly Json[], height: number, width: number): OutlineExtent | undefined {
  let [left, top, right, bottom, area, at] = [Infinity, Infinity, -1, -1, 0, 0]
  for (const [i, run] of runs.entries()) {
    if (typeof run !== 'number' || !Number.isInteger(run) || run < 0) return undefined
    if (i % 2 === 1 && run > 0) {
      const last = at + run - 1
      const isOneColumn = Math.floor(at / height) === Math.floor(last / height)
      left = Math.min(left, Math.floor(at / height))
      right = Math.max(right, Math.floor(last / height))
      top = isOneColumn ? Math.min(top, at % height) : 0
      bottom = isOneColumn ? Math.max(bottom, last % height) : height - 1
      area += run
    }
    at += run
  }
  if (at !== height * width || area === 0) return undefined
  return { box: [left, top, right - left + 1, bottom - top + 1], area }
}

/** pycocotools' text form: five bits a character, each run from the third on as the difference from the last but one. */
function uncompressed(text: string): number[] | undefined {
  const runs: number[] = []
  for (let at = 0; at < text.length; ) {
    let [value, shift, more] = [0, 0, true]
    while (more) {
      const code = text.charCodeAt(at++) - 48
      if (Number.isNaN(code) || code < 0 || code > 63 || shift > 30) return undefined
      value |= (code & 31) << shift
      shift += 5
      more = (code & 32) !== 0
      if (!more && (code & 16) !== 0 && shift < 32) value |= -1 << shift
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2]! : value)
  }
  return runs
}
