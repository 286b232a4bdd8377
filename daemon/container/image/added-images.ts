// The images that operators have added, on disk: name -> content id. Owns the file; knows nothing of engines.

import { join } from 'node:path';
import { z } from 'zod';
import { AddedImage, MAX_ADDED_IMAGES } from '../../../client/protocol/images.ts';
import { readJsonFile, writeFileAtomic } from '../../observe/atomic-file.ts';

const File = z.strictObject({ version: z.literal(1), images: z.array(AddedImage).max(MAX_ADDED_IMAGES) });

export class AddedImages {
  readonly #path: string;
  #images: ReadonlyMap<string, AddedImage>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, images: readonly AddedImage[]) {
    this.#path = path;
    this.#images = new Map(images.map((image) => [image.name, image]));
  }

  static async open(stateDir: string): Promise<AddedImages> {
    const path = join(stateDir, 'images.json');
    const file = await readJsonFile(path, File);
    return new AddedImages(path, file?.images ?? []);
  }

  list(): AddedImage[] {
    return [...this.#images.values()];
  }

  get(name: string): AddedImage | undefined {
    return this.#images.get(name);
  }

  has(id: string): boolean {
    return this.list().some((image) => image.id === id);
  }

  put(image: AddedImage): Promise<void> {
    return this.#change((images) => images.set(image.name, image));
  }

  remove(name: string): Promise<void> {
    return this.#change((images) => images.delete(name));
  }

  /** One change after the other; it holds once it is on disk. */
  #change(apply: (images: Map<string, AddedImage>) => void): Promise<void> {
    const change = this.#writing.then(async () => {
      const images = new Map(this.#images);
      apply(images);
      await writeFileAtomic(this.#path, JSON.stringify({ version: 1, images: [...images.values()] }));
      this.#images = images;
    });
    this.#writing = change.catch(() => undefined);
    return change;
  }
}
