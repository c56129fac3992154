import { z } from 'zod';
import { canonicalAddress, isIpAddress } from '../base/ip-address.ts';
import { readAuthorities } from './authorities-file.ts';
import { ConfigError } from './errors.ts';
import { type StreamCertificate, streamCertificate, type StreamCertificateFiles } from './stream-certificate.ts';

const path = z.string().regex(/^[^\0]{1,4096}$/, 'must be a path');

/** Those rows of the table `[sip.trunk]` that are about encryption. */
export const trunkTlsShape = {
  media: z.enum(['rtp', 'srtp', 'srtp-optional']).optional(),
  tls_name: z
    .string()
    .toLowerCase()
    .refine(
      (text) => isIpAddress(text) || /^(?=.{1,253}$)(\*\.)?([a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}$/.test(text),
      'must be a name as the certificate has it, such as sip.example.org or *.example.org',
    )
    .optional(),
  ca_file: path.optional(),
  certificate_file: path.optional(),
  key_file: path.optional(),
};

type Table = z.output<z.ZodObject<typeof trunkTlsShape>>;

/** How media go to a provider: `srtp-optional` lets those through that it does not encrypt. */
export type TrunkMediaProtection = 'rtp' | 'srtp' | 'srtp-optional';

/** How TLS is spoken to a provider. */
export interface TrunkTls {
  /** One of them has to be in the provider's certificate. */
  readonly names: readonly string[];
  /** Whom a server of several is asked for (RFC 6066 s3); undefined: nothing but addresses is known. */
  readonly serverName: string | undefined;
  /** Who vouches for it: PEM; empty: whom the system trusts. */
  readonly authorities: string;
  /** What is shown to a provider that wants a certificate of ours, and where a renewed one is read from. */
  readonly own:
    { readonly certificate: StreamCertificate; readonly certificateFiles: StreamCertificateFiles } | undefined;
}

/**
 * @param trunk `isRegistered`: with a password. `names`: of the provider's server and domain as the owner wrote them, not as DNS says.
 * @returns undefined: TLS is not spoken.
 * @throws {ConfigError} for what makes no sense without TLS, or with it; and when a file is not as it has to be.
 */
export function trunkTls(
  table: Table & { readonly transport?: 'udp' | 'tcp' | 'tls' | undefined; readonly open?: boolean | undefined },
  trunk: { readonly isRegistered: boolean; readonly names: readonly string[] },
  configuration: string,
): TrunkTls | undefined {
  const refused = (setting: string, why: string): ConfigError =>
    new ConfigError(`${configuration}: sip.trunk.${setting}: ${why}`);
  if (table.transport !== 'tls') {
    if (table.media !== undefined && table.media !== 'rtp')
      // RFC 4568 s8.1: "security services SHOULD be provided" for what carries keys.
      throw refused('media', 'needs transport = "tls": the keys of SRTP are in SIP messages, for everybody to read');
    for (const setting of ['tls_name', 'ca_file', 'certificate_file', 'key_file'] as const)
      if (table[setting] !== undefined) throw refused(setting, 'needs transport = "tls"');
    return undefined;
  }
  // Who is no client of a server is called by a connection of the other one's, for which there would have to be a certificate.
  if (!trunk.isRegistered)
    throw refused('transport', '"tls" needs user and password: calls come by the connection where we register');
  if (table.open === true) throw refused('open', 'other domains are not called over TLS; needs a trunk without it');
  const { tls_name: name, ca_file: authorities } = table;
  const names = (name === undefined ? [...new Set(trunk.names)] : [name]).map((text) =>
    isIpAddress(text) ? canonicalAddress(text) : text,
  );
  return {
    names,
    serverName: trunk.names.find((text) => !isIpAddress(text)),
    authorities: authorities === undefined ? '' : readAuthorities(authorities),
    own: streamCertificate(table, configuration, 'sip.trunk'),
  };
}
