import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

/**
 * Packages that only `--alternatives` compares with: nothing of them is a dependency of the repository, so they are looked for in a
 * folder where the user installed them.
 */
export interface NeededPackage {
  readonly name: string
  /** The version that the bench was written for. */
  readonly version: string
}

/** A folder with a `node_modules`. */
export class PackageFolder {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = resolve(folder)
  }

  /** Why the packages cannot be used, with the command that changes it; undefined where they are there. */
  lacks(needed: readonly NeededPackage[]): string | undefined {
    const missing = needed.filter(({ name }) => !existsSync(this.#manifest(name)))
    if (missing.length === 0) return
    return `not installed: npm i --prefix ${this.#folder} ${missing.map(({ name, version }) => `${name}@${version}`).join(' ')}`
  }

  /** The names of packages with the versions that are installed. */
  installed(needed: readonly NeededPackage[]): string {
    return needed
      .map(({ name }) => {
        const { version }: { readonly version: string } = JSON.parse(
          readFileSync(this.#manifest(name), 'utf8'),
        )
        return `${name} ${version}`
      })
      .join(', ')
  }

  /** What a package exports. `any`: its types are installed where it is, not here. */
  // biome-ignore lint/suspicious/noExplicitAny: as said above
  load(name: string): any {
    return createRequire(join(this.#folder, 'package.json'))(name)
  }

  #manifest(name: string): string {
    return join(this.#folder, 'node_modules', name, 'package.json')
  }
}
