// Where the package's seccomp profiles lie, for tests.
import { join } from 'node:path';

export const SECCOMP_DIRECTORY = join(import.meta.dirname, '..', '..', 'seccomp');
