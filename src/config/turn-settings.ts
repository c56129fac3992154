import { z } from 'zod';
import { isIpAddress } from '../base/ip-address.ts';
import { readAuthorities } from './authorities-file.ts';
import { parseEndpoint, type Endpoint } from './endpoint.ts';
import { ConfigError } from './errors.ts';
import { refuseOpen } from './named-files.ts';
import { readPasswordFile, secretText } from './password-file.ts';

/** RFC 8656 s2.1; of `turns` the second. */
const TURN_PORT = 3_478;
const TURNS_PORT = 5_349;
/** One, and another for when that is down, each over UDP, TCP and TLS. */
const MAX_SERVERS = 6;

export interface TurnEndpoint extends Endpoint {
  readonly over: 'udp' | 'tcp' | 'tls';
}

/** A URI as in RFC 7065; `turns` is TLS over TCP, not DTLS. */
const server = z.string().transform((text, context): TurnEndpoint => {
  const [, scheme, rest = '', transport] = /^(turns?):([^?]+)(?:\?transport=(udp|tcp))?$/.exec(text) ?? [];
  const over = scheme === 'turns' ? 'tls' : (transport ?? 'udp') === 'tcp' ? 'tcp' : 'udp';
  const isBare = isIpAddress(rest) ? !rest.includes(':') : /^(?:[^:[\]]+|\[[^\]]+\])$/.test(rest);
  const parsed = parseEndpoint(isBare ? `${rest}:${over === 'tls' ? TURNS_PORT : TURN_PORT}` : rest);
  if (parsed !== undefined && !(over === 'tls' && transport === 'udp')) return { ...parsed, over };
  context.addIssue({
    code: 'custom',
    message: 'must be a server such as turn:turn.example.org:3478 or turns:turn.example.org:443?transport=tcp',
  });
  return z.NEVER;
});

const path = z.string().regex(/^[^\0]{1,4096}$/, 'must be a path');

/** The table `[turn]`. */
export const turnSchema = z.strictObject({
  servers: z.array(server).max(MAX_SERVERS),
  user: secretText,
  password: secretText.optional(),
  password_file: path.optional(),
  ca_file: path.optional(),
});

export interface TurnSettings {
  readonly servers: readonly TurnEndpoint[];
  /** Who vouches for servers over TLS: PEM; empty: whom the system trusts. */
  readonly authorities: string;
  readonly user: string;
  /** Never logged, and told to nobody, the servers not excepted. */
  readonly password: string;
}

/**
 * @param configuration where the table stands. Nobody but its owner and group may be able to read a file with a password.
 * @throws {ConfigError} without a password, or with two; when a file is not as it has to be.
 */
export function turnSettings(
  { servers, user, password, password_file: file, ca_file: authoritiesFile }: z.output<typeof turnSchema>,
  configuration: string,
): TurnSettings {
  const authorities = authoritiesFile === undefined ? '' : readAuthorities(authoritiesFile);
  if ((password === undefined) === (file === undefined))
    throw new ConfigError(`${configuration}: turn: needs either password or password_file`);
  if (file === undefined) {
    refuseOpen(configuration);
    return { servers, authorities, user, password: password ?? '' };
  }
  return { servers, authorities, user, password: readPasswordFile(file) };
}
