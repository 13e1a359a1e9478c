import { mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Compiles a source file and what it imports into a new temporary folder, for tests that need a process of their
 * own, and returns the folder and the path of the compiled file. The caller removes the folder.
 *
 * @param source - relative to the repository, such as `src/run/lock.ts`
 */
export function compileForNode(source: string): { readonly folder: string; readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-compiled-'))
  const program = ts.createProgram([join(root, source)], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    rewriteRelativeImportExtensions: true,
    skipLibCheck: true,
    noCheck: true,
    rootDir: join(root, 'src'),
    outDir: join(folder, 'dist'),
  })
  program.emit()
  // Resolves packages, and gives the compiled files their package.json.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  symlinkSync(join(root, 'package.json'), join(folder, 'package.json'))
  const compiled = relative(join(root, 'src'), join(root, source)).replace(/\.ts$/, '.js')
  return { folder, file: join(folder, 'dist', compiled) }
}
