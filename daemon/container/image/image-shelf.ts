// The images that sessions may ask for beside those of the configuration: adding one (obtain, check, pin), looking, taking one
// away. A name is pinned to content before anybody can use it; until then there is nothing but a reference of ours in the engine.

import { randomBytes } from 'node:crypto';
import { SandboxError } from '../../../client/protocol/errors.ts';
import {
  type AddedImage,
  type ImageFinding,
  type ImageFindingName,
  type ImageInfo,
  type ImageOrigin,
  MAX_ADDED_IMAGES,
} from '../../../client/protocol/images.ts';
import type { AuditLog } from '../../observe/audit-log.ts';
import type { Clock } from '../../observe/clock.ts';
import type { Log } from '../../observe/log.ts';
import type { ContainerDriver, ImageDetails, ImageDriver } from '../driver.ts';
import { AddedImages } from './added-images.ts';
import { findingsOf, refused } from './image-findings.ts';
import { readImageTree } from './image-tree.ts';
import { obtainImage } from './obtain-image.ts';

/** Builds and loads at once. */
const MAX_AT_ONCE = 2;
const HOLDING = 'adding-';

export interface ImageShelfOptions {
  readonly stateDir: string;
  /** Several daemons may share an engine. */
  readonly instanceId: string;
  readonly driver: ContainerDriver;
  readonly images: ImageDriver;
  /** Network of a build's steps that may use one; the engine's own default if undefined. */
  readonly buildNetwork: string | undefined;
  /** Of the engine's host, as it spells it. */
  readonly architecture: string;
  /** Engine id of the image that set-up built. */
  readonly baseImage: string;
  /** Name -> reference of the configuration in force. */
  readonly configured: () => Readonly<Record<string, string>>;
  /** Sandboxes and spares of each name, as people call them. */
  readonly users: () => Promise<ReadonlyMap<string, readonly string[]>>;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
}

export interface AddOrder {
  readonly name: string;
  readonly from: ImageOrigin;
  readonly accept: readonly ImageFindingName[];
  /** Bytes of a context or archive. */
  readonly source: AsyncIterable<Uint8Array>;
  /** As records name whoever asks. */
  readonly by: string;
  readonly signal: AbortSignal;
  readonly tell: (progress: { readonly line: string } | { readonly finding: ImageFinding }) => void;
}

export class ImageShelf {
  readonly #options: ImageShelfOptions;
  readonly #added: AddedImages;
  readonly #repository: string;
  /** Names that are being added. */
  readonly #adding = new Set<string>();

  private constructor(options: ImageShelfOptions, added: AddedImages) {
    this.#options = options;
    this.#added = added;
    this.#repository = `cloister-images-${options.instanceId}`;
  }

  static async open(options: ImageShelfOptions): Promise<ImageShelf> {
    const shelf = new ImageShelf(options, await AddedImages.open(options.stateDir));
    await shelf.#sweep();
    return shelf;
  }

  /** Name -> content id of everything that was added. */
  get references(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#added.list().map(({ name, id }) => [name, id]));
  }

  /** Throws with nothing added, or answers what is on record and on disk. */
  async add(order: AddOrder): Promise<AddedImage> {
    const { name } = order;
    this.#assertFree(name);
    if (this.#adding.size >= MAX_AT_ONCE)
      throw new SandboxError('CAPACITY', `Cannot add image ${name}: ${MAX_AT_ONCE} images are being added`, {
        hint: 'Wait until one is done.',
      });
    if (this.#added.list().length + this.#adding.size >= MAX_ADDED_IMAGES)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot add image ${name}: there are ${MAX_ADDED_IMAGES}`, {
        hint: 'Remove one that is not used.',
        retry: 'never',
      });
    this.#adding.add(name);
    const holder = { repo: this.#repository, tag: `${HOLDING}${randomBytes(8).toString('hex')}` };
    try {
      const details = await obtainImage({ ...this.#options, ...order, holder, tell: (line) => order.tell({ line }) });
      const accepted = await this.#check(order, details);
      return await this.#pin(order, details, accepted);
    } finally {
      await this.#drop(`${holder.repo}:${holder.tag}`);
      this.#adding.delete(name);
    }
  }

  async list(): Promise<ImageInfo[]> {
    const { baseImage, configured } = this.#options;
    const users = await this.#options.users();
    const of = async (name: string, source: ImageInfo['source'], reference: string, added: AddedImage | null): Promise<ImageInfo> => {
      const details = await this.#options.driver.inspectImage(reference);
      const usedBy = [...(users.get(name) ?? [])];
      return { name, source, id: details?.id ?? null, sizeBytes: details?.sizeBytes ?? null, added, usedBy };
    };
    const rows: ImageInfo[] = [];
    // The configuration's word holds where both have the name.
    const names = { base: baseImage, ...configured() };
    for (const [name, reference] of Object.entries(names))
      rows.push(await of(name, Object.hasOwn(configured(), name) ? 'configuration' : 'base', reference, null));
    for (const image of this.#added.list())
      if (!Object.hasOwn(names, image.name)) rows.push(await of(image.name, 'added', image.id, image));
    return rows;
  }

  /** SESSION_BUSY, naming them, while sandboxes of it live. */
  async remove(name: string, by: string): Promise<AddedImage> {
    const image = this.#added.get(name);
    if (image === undefined) {
      const isConfigured = name === 'base' || Object.hasOwn(this.#options.configured(), name);
      if (!isConfigured)
        throw new SandboxError('NOT_FOUND', `Cannot remove image ${name}: none of this name was added`, {
          hint: 'cloister image list shows which there are.',
        });
      throw new SandboxError('INVALID_REQUEST', `Cannot remove image ${name}: it was not added, it is of the configuration`, {
        hint: 'Take it out of images.allow and reload the configuration.',
      });
    }
    const users = (await this.#options.users()).get(name) ?? [];
    if (users.length > 0)
      throw new SandboxError('SESSION_BUSY', `Cannot remove image ${name}: it is used by ${users.slice(0, 20).join(', ')}`, {
        hint: 'Close them first, for example with cloister kill.',
      });
    this.#options.audit.append({ kind: 'image.remove', name, image: image.id, by, outcome: 'done' });
    await this.#added.remove(name);
    if (!this.#added.has(image.id)) await this.#drop(this.#pinOf(image.id));
    return image;
  }

  #assertFree(name: string): void {
    this.#assertNotConfigured(name);
    if (this.#added.get(name) !== undefined) throw taken(name, 'there is one of this name');
    if (this.#adding.has(name)) throw taken(name, 'one of this name is being added');
  }

  #assertNotConfigured(name: string): void {
    if (name === 'base') throw taken(name, 'base is what set-up builds');
    if (Object.hasOwn(this.#options.configured(), name)) throw taken(name, 'images.allow of the configuration has one of this name');
  }

  /** Looks at it without starting anything of it; answers what was found and accepted. */
  async #check(order: AddOrder, details: ImageDetails): Promise<ImageFindingName[]> {
    const { driver, images, instanceId, architecture } = this.#options;
    const { signal, name, accept } = order;
    order.tell({ line: `checking ${details.id}` });
    const body = {
      Image: details.id,
      // Never started; the label lets the next daemon remove it if this one dies here.
      Entrypoint: ['/cloister-check'],
      NetworkDisabled: true,
      Labels: { 'cloister.instance': instanceId, 'cloister.role': 'check' },
      HostConfig: { NetworkMode: 'none' },
    };
    const container = await driver.createContainer(body, `cloister-check-${randomBytes(8).toString('hex')}`, { signal });
    try {
      const tree = await images.exportContainer(container, { signal }, readImageTree);
      const findings = findingsOf(details, tree, architecture);
      for (const finding of findings) order.tell({ finding });
      const obstacles = refused(findings, accept);
      if (obstacles.length === 0) return findings.filter(({ weight }) => weight === 'accept').map((finding) => finding.name);
      const acceptable = obstacles.filter(({ weight }) => weight === 'accept').map((finding) => finding.name);
      throw new SandboxError(
        'IMAGE_NOT_ALLOWED',
        `Cannot add image ${name}: it has ${obstacles.map((finding) => `${finding.name} (${finding.detail})`).join('; ')}`,
        {
          hint:
            acceptable.length === obstacles.length
              ? `Take it out of the image, or accept it by name: --accept ${acceptable.join(',')}`
              : `No image with ${obstacles.find(({ weight }) => weight === 'never')?.name ?? 'this'} is added; take it out of the image.`,
        },
      );
    } finally {
      await driver.remove(container, { force: true });
    }
  }

  async #pin(order: AddOrder, details: ImageDetails, accepted: ImageFindingName[]): Promise<AddedImage> {
    const { driver, audit, clock } = this.#options;
    const { name, from, by, signal } = order;
    const pin = this.#pinOf(details.id);
    const [repo = '', tag = ''] = pin.split(':');
    await driver.tagImage(details.id, { repo, tag }, { signal });
    try {
      signal.throwIfAborted();
      // The configuration may have got one of this name meanwhile.
      this.#assertNotConfigured(name);
      const addedAt = new Date(clock.now()).toISOString();
      const image: AddedImage = { name, id: details.id, from, accepted, sizeBytes: details.sizeBytes, addedAt, addedBy: by };
      audit.append({ kind: 'image.add', name, image: image.id, from, accepted, sizeBytes: image.sizeBytes, by, outcome: 'done' });
      await this.#added.put(image);
      return image;
    } catch (error) {
      if (!this.#added.has(details.id)) await this.#drop(pin);
      throw error;
    }
  }

  #pinOf(id: string): string {
    return `${this.#repository}:${id.replace(/^sha256:/, '')}`;
  }

  /** The reference goes, and the image with it if it was its last one and nothing was made from it. */
  async #drop(reference: string): Promise<void> {
    await this.#options.driver
      .removeImage(reference)
      .catch((error: unknown) => this.#options.log.warn({ reference, err: error }, 'reference of an image not removed'));
  }

  /** What a daemon that was killed in the middle of adding left. */
  async #sweep(): Promise<void> {
    try {
      const pins = new Set(this.#added.list().map(({ id }) => this.#pinOf(id)));
      for (const tag of await this.#options.images.tagsOf(this.#repository)) if (!pins.has(tag)) await this.#drop(tag);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'references of images not looked through');
    }
  }
}

const taken = (name: string, cause: string): SandboxError =>
  new SandboxError('INVALID_REQUEST', `Cannot add image ${name}: ${cause}`, { hint: 'Choose another name, or remove that one first.' });
