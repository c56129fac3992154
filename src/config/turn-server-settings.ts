import { z } from 'zod';
import { ConfigError } from './errors.ts';
import { refuseOpen } from './named-files.ts';
import { secretText } from './password-file.ts';

/** Each is a key of a table that people write. */
const MAX_USERS = 64;
/** Each costs a port and a few kilobytes. */
const MAX_ALLOCATIONS = 1_024;
const DEFAULT_ALLOCATIONS = 64;
const DEFAULT_ALLOCATIONS_PER_USER = 8;
/** As what members hand on for each other. */
const DEFAULT_BYTES_PER_SECOND = 4_000_000;
const MIN_BYTES_PER_SECOND = 64_000;
const MAX_BYTES_PER_SECOND = 0xffff_ffff;

/** The table `[turn_server]`. */
export const turnServerSchema = z.strictObject({
  enable: z.boolean().optional(),
  members: z.boolean().optional(),
  realm: secretText.optional(),
  users: z.record(secretText, secretText).optional(),
  bytes_per_second: z.int().min(MIN_BYTES_PER_SECOND).max(MAX_BYTES_PER_SECOND).optional(),
  allocations: z.int().min(1).max(MAX_ALLOCATIONS).optional(),
  allocations_per_user: z.int().min(1).max(MAX_ALLOCATIONS).optional(),
  allow_private: z.boolean().optional(),
});

export interface TurnServerSettings {
  /** Members of the overlay find it there, and need no password. */
  readonly members: boolean;
  readonly realm: string;
  /** Passwords are never logged. */
  readonly users: readonly { readonly name: string; readonly password: string }[];
  /** Of all users together, a quarter of it of one. */
  readonly bytesPerSecond: number;
  readonly allocations: number;
  readonly allocationsPerUser: number;
  readonly allowPrivate: boolean;
}

/**
 * @param configuration where the table stands: with passwords, nobody but its owner and group may be able to read it.
 * @returns `off`: said so, it may have been one until now; undefined: it is none.
 * @throws {ConfigError} without a user where members are none, with too many, and for a file that every user can read.
 */
export function turnServerSettings(
  table: z.output<typeof turnServerSchema>,
  configuration: string,
): TurnServerSettings | 'off' | undefined {
  const users = Object.entries(table.users ?? {}).map(([name, password]) => ({ name, password }));
  if (users.length > 0) refuseOpen(configuration);
  if (table.enable !== true) return table.enable === false ? 'off' : undefined;
  const { members = true } = table;
  if ((users.length === 0 && !members) || users.length > MAX_USERS)
    throw new ConfigError(`${configuration}: turn_server.users: must have 1 to ${MAX_USERS} users`);
  return {
    members,
    realm: table.realm ?? 'idloc',
    users,
    bytesPerSecond: table.bytes_per_second ?? DEFAULT_BYTES_PER_SECOND,
    allocations: table.allocations ?? DEFAULT_ALLOCATIONS,
    allocationsPerUser: table.allocations_per_user ?? DEFAULT_ALLOCATIONS_PER_USER,
    allowPrivate: table.allow_private ?? false,
  };
}
