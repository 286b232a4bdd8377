// Makes the ids of sandboxes: 100 random bits, so that none is guessed or used twice.

import { randomBytes } from 'node:crypto';
import { SandboxId } from '../../client/protocol/names.ts';

const BASE_32 = 'abcdefghijklmnopqrstuvwxyz234567';

export const newSandboxId = (): SandboxId => SandboxId.parse(`sb_${[...randomBytes(20)].map((byte) => BASE_32[byte & 31]).join('')}`);
