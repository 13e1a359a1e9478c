/** Endings of the names of image files that are read. */
export const imageEndings = ['jpg', 'jpeg', 'png', 'webp', 'avif', 'tif', 'tiff', 'gif', 'bmp'] as const

const pattern = new RegExp(`\\.(${imageEndings.join('|')})$`, 'i')

/** Whether a name ends as those of images do. What a file is, its content says: this is for telling lists of images apart. */
export function isImageName(name: string): boolean {
  return pattern.test(name)
}
