// Resource limits a client may ask for, their bounds and defaults.

import { z } from 'zod';

const MIB = 1024 * 1024;

/** Limits of one sandbox. All sizes are bytes. */
export const Limits = z.strictObject({
  /** Hard memory limit, swap included; /tmp and /dev/shm count in it. */
  memoryBytes: z
    .int()
    .min(32 * MIB)
    .max(1024 * 1024 * MIB),
  /** CPUs' worth of time, fractions allowed. */
  cpus: z.number().min(0.05).max(256),
  /** Processes and threads at once. */
  pids: z.int().min(16).max(32_768),
  /** Workspace quota. */
  diskBytes: z
    .int()
    .min(MIB)
    .max(16 * 1024 * 1024 * MIB),
  /** Size of /tmp, in memory. */
  tmpBytes: z
    .int()
    .min(MIB)
    .max(64 * 1024 * MIB),
  /** Output of one command; above it `outputPolicy` decides. */
  outputBytes: z
    .int()
    .min(1024)
    .max(1024 * 1024 * MIB)
    .optional(),
  /** Commands at once. */
  execs: z.int().min(1).max(100),
});
export type Limits = z.infer<typeof Limits>;

export const DEFAULT_LIMITS: Limits = {
  memoryBytes: 512 * MIB,
  cpus: 1,
  pids: 256,
  diskBytes: 1024 * MIB,
  tmpBytes: 128 * MIB,
  execs: 16,
};

/** What a client asks to differ from the defaults. */
export const LimitsRequest = Limits.partial();
export type LimitsRequest = z.infer<typeof LimitsRequest>;
