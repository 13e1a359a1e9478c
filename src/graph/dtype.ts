/** Element types inside a graph. Indices are int64, conditions bool, pixels uint8, everything else float32. */
export type GraphDType = 'float32' | 'int64' | 'bool' | 'uint8'
