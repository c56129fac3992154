import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { messageOf } from '../base/errors.ts';
import { isIpAddress } from '../base/ip-address.ts';
import { parseEndpoint, type Endpoint } from './endpoint.ts';
import { ConfigError } from './errors.ts';

/** RFC 8656 s2.1. */
const TURN_PORT = 3_478;
/** One, and another for when that is down. */
const MAX_SERVERS = 2;
/** RFC 8489 s14.3 has 508 bytes for the user; more than people and generators write. */
const MAX_SECRET = 256;
/** Enough for a password and the line's end. */
const MAX_FILE_BYTES = 1_024;
/** Of a file's mode: all users may read it. */
const READABLE_BY_OTHERS = 0o004;

/** A URI as in RFC 7065, over UDP. */
const server = z.string().transform((text, context): Endpoint => {
  const [, rest = ''] = /^turn:([^?]+)(?:\?transport=udp)?$/.exec(text) ?? [];
  const isBare = isIpAddress(rest) ? !rest.includes(':') : /^(?:[^:[\]]+|\[[^\]]+\])$/.test(rest);
  const parsed = parseEndpoint(isBare ? `${rest}:${TURN_PORT}` : rest);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'must be a server such as turn:turn.example.org:3478' });
  return z.NEVER;
});
/** A user, a password, a realm. */
export const turnText = z
  .string()
  .regex(/^[^\p{Cc}]+$/u, 'must not be empty, and without control characters')
  .max(MAX_SECRET);

/** The table `[turn]`. */
export const turnSchema = z.strictObject({
  servers: z.array(server).max(MAX_SERVERS),
  user: turnText,
  password: turnText.optional(),
  password_file: z
    .string()
    .regex(/^[^\0]{1,4096}$/, 'must be a path')
    .optional(),
});

export interface TurnSettings {
  readonly servers: readonly Endpoint[];
  readonly user: string;
  /** Never logged, and told to nobody, the servers not excepted. */
  readonly password: string;
}

/**
 * @param configuration where the table stands. Nobody but its owner and group may be able to read a file with a password.
 * @throws {ConfigError} without a password, or with two; when a file is not as it has to be.
 */
export function turnSettings(
  { servers, user, password, password_file: file }: z.output<typeof turnSchema>,
  configuration: string,
): TurnSettings {
  if ((password === undefined) === (file === undefined))
    throw new ConfigError(`${configuration}: turn: needs either password or password_file`);
  if (file === undefined) {
    refuseOpen(configuration);
    return { servers, user, password: password ?? '' };
  }
  let found: string;
  try {
    refuseOpen(file);
    found = readFileSync(file, 'utf8')
      .slice(0, MAX_FILE_BYTES)
      .replace(/\r?\n$/, '');
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${file}: cannot be read: ${messageOf(cause).replace(/, .*$/s, '')}`, { cause });
  }
  if (!turnText.safeParse(found).success)
    throw new ConfigError(`${file}: must hold the password, one line, and nothing else`);
  return { servers, user, password: found };
}

/** @throws {ConfigError} when every user of this host may read it. */
export function refuseOpen(path: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & READABLE_BY_OTHERS) === 0) return;
  throw new ConfigError(`${path}: holds a password, and every user can read it; chmod o= ${path}`);
}
