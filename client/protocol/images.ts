// Images beyond the base one that operators add to a running daemon: where one comes from, what is found in it, which there are.

import { z } from 'zod';
import { Name, StreamId, Timestamp } from './names.ts';

/** Images that one daemon has added. */
export const MAX_ADDED_IMAGES = 256;
/** Bytes of a build context, as it travels. */
export const MAX_CONTEXT_BYTES = 4 * 1024 ** 3;

export const IMAGE_FINDINGS = [
  /** Programs that run as their owner or group. Without effect in a sandbox (no_new_privs). */
  'setuid-files',
  /** Programs that carry capabilities of their own. Without effect in a sandbox. */
  'file-capabilities',
  /** Device nodes. */
  'device-files',
  /** A program that the image wants to be started first; it never is. */
  'entrypoint',
  /** Variables that loaders obey; they are dropped. */
  'loader-environment',
  /** Over 32 KiB of variables, which each command carries. */
  'huge-environment',
  /** Over 4 GiB. */
  'large-image',
  /** Neither sh nor bash: only commands as arrays work. */
  'no-shell',
  /** Declared volumes, which no sandbox may have. */
  'volumes',
  /** A place that sandboxes mount over is a symlink or of the wrong kind. */
  'linked-mount-points',
  /** Made for another operating system or processor. */
  'wrong-platform',
  /** Ports that it declares; nothing is published. */
  'exposed-ports',
  /** Its own user; every sandbox has one of its own. */
  'user',
  /** Its health check; it never runs. */
  'healthcheck',
] as const;
export const ImageFindingName = z.enum(IMAGE_FINDINGS);
export type ImageFindingName = z.infer<typeof ImageFindingName>;

export const ImageFinding = z.strictObject({
  name: ImageFindingName,
  /** `never`: no image with it is added; `accept`: only where it is accepted by name; `note`: good to know. */
  weight: z.enum(['never', 'accept', 'note']),
  detail: z.string(),
});
export type ImageFinding = z.infer<typeof ImageFinding>;

/** As an engine takes them: `python:3.12-slim`, `registry:5000/team/tools@sha256:...`. */
const ImageReference = z
  .string()
  .max(300)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/, 'must be an image reference')
  .refine((reference) => !reference.includes('..'), 'must be an image reference');

const ImageOrigin = z.discriminatedUnion('kind', [
  /** The stream is a tar archive of a build context with a Dockerfile. `network`: its steps may use the network. */
  z.strictObject({ kind: z.literal('build'), network: z.boolean().default(false) }),
  /** The stream is an archive of `docker save` with one image. */
  z.strictObject({ kind: z.literal('load') }),
  /** What the engine has under this reference, or pulls. Nothing comes on the stream. */
  z.strictObject({ kind: z.literal('pull'), reference: ImageReference }),
]);
export type ImageOrigin = z.infer<typeof ImageOrigin>;

const ImageAdd = z.strictObject({
  name: Name,
  from: ImageOrigin,
  /** Findings that are no obstacle. */
  accept: z.array(ImageFindingName).max(IMAGE_FINDINGS.length).default([]),
  /** Bytes go one way, progress as lines of JSON the other; giving it up gives the image up. */
  stream: StreamId,
});

/** One line of what comes back while an image is added. */
export const ImageProgress = z.union([z.strictObject({ line: z.string() }), z.strictObject({ finding: ImageFinding })]);
export type ImageProgress = z.infer<typeof ImageProgress>;

export const AddedImage = z.strictObject({
  name: Name,
  /** Content id, to which the name is pinned. */
  id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  from: ImageOrigin,
  /** What was found in it and accepted. */
  accepted: z.array(ImageFindingName),
  sizeBytes: z.int(),
  addedAt: Timestamp,
  addedBy: z.string(),
});
export type AddedImage = z.infer<typeof AddedImage>;

export const ImageInfo = z.strictObject({
  name: Name,
  /** `base`: what set-up built; `configuration`: of images.allow; `added`: by this very operation. */
  source: z.enum(['base', 'configuration', 'added']),
  /** Content id; null: the engine does not have it. */
  id: z.string().nullable(),
  sizeBytes: z.int().nullable(),
  /** null unless it was added. */
  added: AddedImage.nullable(),
  /** Sandboxes and spares made from it. */
  usedBy: z.array(z.string()),
});
export type ImageInfo = z.infer<typeof ImageInfo>;

export const IMAGE_OPERATIONS = {
  'image.add': { params: ImageAdd, result: AddedImage },
  'image.list': { params: z.strictObject({}), result: z.strictObject({ images: z.array(ImageInfo) }) },
  'image.remove': { params: z.strictObject({ name: Name }), result: AddedImage },
} as const;
