/** Where decoded pixels are kept. */
export interface CacheOptions {
  /** `auto`: in the cache folder (see `cacheDirectory`); `off`: nowhere; or a folder. Default: off. */
  readonly cache?: 'auto' | 'off' | (string & {}) | undefined
  /** Most gigabytes (10⁹ bytes) of all pixels in the folder. Default: 50. */
  readonly cacheLimit?: number | undefined
}

/** See {@link CacheOptions}. */
export const usualCacheLimit = 50
