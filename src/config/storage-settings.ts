import { z } from 'zod';

const MIB = 1024 * 1024;
const DEFAULT_BYTES = 32 * MIB;
const BYTES = { min: MIB, max: 1024 * MIB } as const;

/** The table `[storage]`. */
export const storageSchema = z.strictObject({
  keep: z.boolean().optional(),
  bytes: z.int().min(BYTES.min).max(BYTES.max).optional(),
});

/** What this host, as a peer, stores for others. */
export interface StorageSettings {
  /** It outlives a restart, in a file of the state directory. */
  readonly keep: boolean;
  /** In memory; the file may be four times as large. */
  readonly bytes: number;
}

/** @param table undefined: every setting as it comes. */
export function storageSettings(table: z.output<typeof storageSchema> | undefined): StorageSettings {
  return { keep: table?.keep ?? true, bytes: table?.bytes ?? DEFAULT_BYTES };
}
