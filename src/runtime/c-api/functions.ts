// Written by scripts/ort-functions.js from onnxruntime_c_api.h; do not edit.

/** The version of the table that is asked for. Later versions of ONNX Runtime have it too: they only add at its end. */
export const tableVersion = 29

/** Functions by name: place in `struct OrtApi`, and types in koffi's names. */
export const functions = {
  GetErrorMessage: { place: 2, result: 'str', takes: ['void *'] },
  ReleaseStatus: { place: 93, result: 'void', takes: ['void *'] },
  CreateEnv: { place: 3, result: 'void *', takes: ['int', 'str', 'void *'] },
  ReleaseEnv: { place: 92, result: 'void', takes: ['void *'] },
  CreateCpuMemoryInfo: { place: 69, result: 'void *', takes: ['int', 'int', 'void *'] },
  ReleaseMemoryInfo: { place: 94, result: 'void', takes: ['void *'] },
  CreateSessionOptions: { place: 10, result: 'void *', takes: ['void *'] },
  SetSessionExecutionMode: { place: 13, result: 'void *', takes: ['void *', 'int'] },
  DisableMemPattern: { place: 17, result: 'void *', takes: ['void *'] },
  DisableCpuMemArena: { place: 19, result: 'void *', takes: ['void *'] },
  SetSessionLogSeverityLevel: { place: 22, result: 'void *', takes: ['void *', 'int'] },
  SetSessionGraphOptimizationLevel: { place: 23, result: 'void *', takes: ['void *', 'int'] },
  SetIntraOpNumThreads: { place: 24, result: 'void *', takes: ['void *', 'int'] },
  SetInterOpNumThreads: { place: 25, result: 'void *', takes: ['void *', 'int'] },
  AddSessionConfigEntry: { place: 130, result: 'void *', takes: ['void *', 'str', 'str'] },
  EnableProfiling: { place: 14, result: 'void *', takes: ['void *', 'str'] },
  ReleaseSessionOptions: { place: 100, result: 'void', takes: ['void *'] },
  CreateSessionFromArray: {
    place: 8,
    result: 'void *',
    takes: ['void *', 'void *', 'size_t', 'void *', 'void *'],
  },
  ReleaseSession: { place: 95, result: 'void', takes: ['void *'] },
  SessionEndProfiling: { place: 110, result: 'void *', takes: ['void *', 'void *', 'void *'] },
  GetAllocatorWithDefaultOptions: { place: 78, result: 'void *', takes: ['void *'] },
  AllocatorFree: { place: 76, result: 'void *', takes: ['void *', 'void *'] },
  CreateRunOptions: { place: 39, result: 'void *', takes: ['void *'] },
  RunOptionsSetRunLogSeverityLevel: { place: 41, result: 'void *', takes: ['void *', 'int'] },
  ReleaseRunOptions: { place: 97, result: 'void', takes: ['void *'] },
  Run: {
    place: 9,
    result: 'void *',
    takes: ['void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *'],
  },
  CreateTensorWithDataAsOrtValue: {
    place: 49,
    result: 'void *',
    takes: ['void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *'],
  },
  GetTensorMutableData: { place: 51, result: 'void *', takes: ['void *', 'void *'] },
  GetTensorSizeInBytes: { place: 318, result: 'void *', takes: ['void *', 'void *'] },
  GetTensorTypeAndShape: { place: 65, result: 'void *', takes: ['void *', 'void *'] },
  ReleaseValue: { place: 96, result: 'void', takes: ['void *'] },
  GetTensorElementType: { place: 60, result: 'void *', takes: ['void *', 'void *'] },
  GetDimensionsCount: { place: 61, result: 'void *', takes: ['void *', 'void *'] },
  GetDimensions: { place: 62, result: 'void *', takes: ['void *', 'void *', 'size_t'] },
  ReleaseTensorTypeAndShapeInfo: { place: 99, result: 'void', takes: ['void *'] },
} as const
