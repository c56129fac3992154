import { z } from 'zod';
import { isIpAddress, canonicalAddress } from '../base/ip-address.ts';
import { isMemberLabel } from '../identity/names.ts';
import { ConfigError } from './errors.ts';
import { refuseOpen } from './named-files.ts';
import { readPasswordFile, secretText } from './password-file.ts';
import { trunkTls, type TrunkMediaProtection, type TrunkTls, trunkTlsShape } from './trunk-tls-settings.ts';

/** Beside the 5060 to 5062 where phones and the adaptor listen. */
const DEFAULT_PORT = 5_064;
/** As rtpengine of a small host relays at a time. */
const DEFAULT_CALLS = 32;
const MAX_CALLS = 1_024;
/** A company's numbers; each is a key of a table that people write. */
const MAX_NUMBERS = 1_000;

const label = z.string().refine(isMemberLabel, 'must be the first part of a user name, such as alice');
const domain = z
  .string()
  .toLowerCase()
  .refine(
    (text) => isIpAddress(text) || /^(?=.{1,253}$)([a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}$/.test(text),
    'must be a domain or an address, such as sip.example.org',
  );
const server = z
  .string()
  .toLowerCase()
  .regex(/^(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/, 'must be a server such as sip.example.org:5060');
/** What stands in a URI without escapes. */
const uriUser = z.string().regex(/^[A-Za-z0-9+_.!~*'()&=$-]{1,64}$/, 'must be a user such as 4930123456 or alice');

/** The table `[sip.trunk]`. */
export const trunkSchema = z.strictObject({
  enable: z.boolean().optional(),
  domain,
  server: server.optional(),
  transport: z.enum(['udp', 'tcp', 'tls']).optional(),
  ...trunkTlsShape,
  user: uriUser.optional(),
  login: secretText.optional(),
  password: secretText.optional(),
  password_file: z
    .string()
    .regex(/^[^\0]{1,4096}$/, 'must be a path')
    .optional(),
  port: z.int().min(1).max(65_535).optional(),
  address: z.string().refine(isIpAddress, 'must be an address').optional(),
  numbers: z.record(uriUser, label).optional(),
  default: label.optional(),
  callers: z.array(label).max(MAX_NUMBERS).optional(),
  open: z.boolean().optional(),
  calls: z.int().min(1).max(MAX_CALLS).optional(),
});

/** This host as a gateway to a provider, or a domain that it peers with. */
export interface TrunkSettings {
  readonly domain: string;
  readonly server: { readonly host: string; readonly port?: number; readonly transport?: 'udp' | 'tcp' | 'tls' };
  /** In the AoR at the provider. */
  readonly user: string | undefined;
  /** Never logged. Undefined: it registers nowhere. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
  /** Undefined: it is not spoken. */
  readonly tls: TrunkTls | undefined;
  readonly media: TrunkMediaProtection;
  /** UDP and TCP; with TLS nobody listens there, and it is only told. */
  readonly port: number;
  /** What others are told; undefined: the address that leads to them. */
  readonly address: string | undefined;
  /** Number, or whatever else is called, to the label of a member. */
  readonly numbers: ReadonlyMap<string, string>;
  readonly defaultUser: string | undefined;
  readonly callers: readonly string[] | undefined;
  readonly isOpen: boolean;
  readonly maxCalls: number;
}

/**
 * @param configuration where the table stands: with a password, nobody but its owner and group may be able to read it.
 * @returns undefined: it is switched off.
 * @throws {ConfigError} for a password without a user, for a file that every user can read, and as `trunkTls`.
 */
export function trunkSettings(
  table: z.output<typeof trunkSchema> | undefined,
  configuration: string,
): TrunkSettings | undefined {
  if (table === undefined) return undefined;
  const { domain: host, user, password, password_file: file, transport } = table;
  if (password !== undefined) refuseOpen(configuration);
  if (table.enable === false) return undefined;
  const secrets = [password, file].filter((value) => value !== undefined).length;
  if (secrets > 1) throw new ConfigError(`${configuration}: sip.trunk: needs either password or password_file`);
  if (secrets === 1 && user === undefined)
    throw new ConfigError(`${configuration}: sip.trunk.user: needs the user that the password is of`);
  const numbers = Object.entries(table.numbers ?? {});
  if (numbers.length > MAX_NUMBERS)
    throw new ConfigError(`${configuration}: sip.trunk.numbers: must have at most ${MAX_NUMBERS} numbers`);
  const secret = file === undefined ? password : readPasswordFile(file);
  const found = serverOf(table.server ?? host);
  return {
    domain: host,
    server: { ...found, ...(transport !== undefined && { transport }) },
    tls: trunkTls(table, { isRegistered: secret !== undefined, names: [found.host, host] }, configuration),
    media: table.media ?? 'rtp',
    user,
    credentials:
      secret === undefined || user === undefined ? undefined : { user: table.login ?? user, password: secret },
    port: table.port ?? DEFAULT_PORT,
    address: table.address === undefined ? undefined : canonicalAddress(table.address),
    numbers: new Map(numbers),
    defaultUser: table.default,
    callers: table.callers,
    isOpen: table.open ?? false,
    maxCalls: table.calls ?? DEFAULT_CALLS,
  };
}

function serverOf(text: string): { host: string; port?: number } {
  if (isIpAddress(text)) return { host: canonicalAddress(text) };
  const [, host = text, port] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(text) ?? [];
  return port === undefined ? { host } : { host, port: Number(port) };
}
