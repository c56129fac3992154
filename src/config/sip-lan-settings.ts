import { z } from 'zod';
import { canonicalAddress, isIpAddress, parseIpAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { ConfigError } from './errors.ts';
import { refuseOpen } from './named-files.ts';
import { readPasswordFile, secretText } from './password-file.ts';

/** Each is a key of a table that people write. */
const MAX_USERS = 64;
/** RFC 3261 s19.1.2: where hardware phones and door stations look. */
const DEFAULT_PORT = 5_060;

const path = z.string().regex(/^[^\0]{1,4096}$/, 'must be a path');
const hex = (digits: number): z.ZodString =>
  z.string().regex(new RegExp(`^[0-9A-Fa-f]{${digits}}$`), `must have ${digits} hexadecimal digits`);
/** What digest hashes: a colon would end it. */
const userName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be a name of a-z, 0-9, ., - and _, at most 64');

/** A password, a file with one, or H(A1) of RFC 7616 s3.4.2 with the overlay's name for the realm. */
const user = z.union([
  secretText,
  z.strictObject({ password_file: path }),
  z
    .strictObject({ sha256: hex(64).optional(), md5: hex(32).optional() })
    .refine(({ sha256, md5 }) => sha256 !== undefined || md5 !== undefined, 'must have sha256, md5 or both'),
]);

/** The table `[sip.lan]`. */
export const sipLanSchema = z.strictObject({
  enable: z.boolean().optional(),
  address: z
    .string()
    .refine((text) => isIpAddress(text) && !isForNobody(text), 'must be an address of this host, such as 192.168.1.2')
    .optional(),
  port: z.int().min(1).max(65_535).optional(),
  users: z.record(userName, user).optional(),
});

/** One account: a phone, or several. Of passwords nothing is logged. */
export type SipLanUser = { readonly name: string } & (
  | { readonly password: string }
  | { readonly ha1: { readonly sha256?: string | undefined; readonly md5?: string | undefined } }
);

/** Phones on the LAN that have no agent beside them. */
export interface SipLanSettings extends SocketAddress {
  readonly users: readonly SipLanUser[];
}

/**
 * @param configuration where the table stands: with passwords, nobody but its owner and group may be able to read it.
 * @returns undefined: there are none.
 * @throws {ConfigError} without an address or a user, with too many, and for files that are not as they have to be.
 */
export function sipLanSettings(
  table: z.output<typeof sipLanSchema> | undefined,
  configuration: string,
): SipLanSettings | undefined {
  const given = Object.entries(table?.users ?? {});
  if (given.some(([, value]) => typeof value === 'string' || !('password_file' in value))) refuseOpen(configuration);
  if (table?.enable !== true) return undefined;
  const { address, port = DEFAULT_PORT } = table;
  if (address === undefined)
    throw new ConfigError(`${configuration}: sip.lan.address: must be this host's address on the LAN`);
  if (given.length === 0 || given.length > MAX_USERS)
    throw new ConfigError(`${configuration}: sip.lan.users: must have 1 to ${MAX_USERS} users`);
  const users = given.map(([name, value]): SipLanUser => {
    if (typeof value === 'string') return { name, password: value };
    return 'password_file' in value
      ? { name, password: readPasswordFile(value.password_file) }
      : { name, ha1: { sha256: value.sha256?.toLowerCase(), md5: value.md5?.toLowerCase() } };
  });
  return { address: canonicalAddress(address), port, users };
}

/** Loopback, multicast and "any": nobody on a LAN reaches it. */
function isForNobody(text: string): boolean {
  const address = parseIpAddress(text);
  return address.isLoopback() || address.isMulticast() || ['0.0.0.0', '::'].includes(canonicalAddress(text));
}
