/**
 * The matching of rows to columns with the largest sum: the Hungarian method (Kuhn 1955) with potentials, O(n²m). Each
 * row or, where there are more rows than columns, each column is matched to one of its own.
 *
 * @param gains - finite numbers, one row an item
 * @returns pairs of row and column, in the order of rows
 */
export function bestMatching(gains: readonly (readonly number[])[]): [row: number, column: number][] {
  const rows = gains.length
  const columns = gains[0]?.length ?? 0
  if (rows > columns) {
    const turned = Array.from({ length: columns }, (_, c) => gains.map(row => row[c]!))
    const pairs = bestMatching(turned).map(([c, r]): [number, number] => [r, c])
    return pairs.sort((a, b) => a[0] - b[0])
  }
  // Potentials u of rows and v of columns keep cost − u − v ≥ 0, and 0 on matched pairs; index 0 stands for "none".
  const u = new Float64Array(rows + 1)
  const v = new Float64Array(columns + 1)
  const rowOf = new Int32Array(columns + 1)
  for (let row = 1; row <= rows; row++) {
    const slack = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY)
    const before = new Int32Array(columns + 1)
    const visited = new Uint8Array(columns + 1)
    let column = 0
    rowOf[0] = row
    while (rowOf[column] !== 0) {
      visited[column] = 1
      const from = rowOf[column]!
      let step = Number.POSITIVE_INFINITY
      let nearest = 0
      for (let c = 1; c <= columns; c++) {
        if (visited[c]) continue
        const reduced = -gains[from - 1]![c - 1]! - u[from]! - v[c]!
        if (reduced < slack[c]!) {
          slack[c] = reduced
          before[c] = column
        }
        if (slack[c]! < step) {
          step = slack[c]!
          nearest = c
        }
      }
      for (let c = 0; c <= columns; c++) {
        if (visited[c]) {
          u[rowOf[c]!]! += step
          v[c]! -= step
        } else slack[c]! -= step
      }
      column = nearest
    }
    while (column !== 0) {
      rowOf[column] = rowOf[before[column]!]!
      column = before[column]!
    }
  }
  return Array.from({ length: columns }, (_, c): [number, number] => [rowOf[c + 1]! - 1, c])
    .filter(([row]) => row >= 0)
    .sort((a, b) => a[0] - b[0])
}
