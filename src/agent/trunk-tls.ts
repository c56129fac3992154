import { readFileSync, statSync } from 'node:fs';
import {
  connect,
  createSecureContext,
  getCACertificates,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate, id_ce_subjectAltName, SubjectAlternativeName } from '@peculiar/asn1-x509';
import { canonicalAddress, isIpAddress } from '../base/ip-address.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { type StreamCertificate, renewedStreamCertificate } from '../config/stream-certificate.ts';
import type { TrunkTls } from '../config/trunk-tls-settings.ts';

// Implementation constants.

/** Whom the system trusts, in one file: of Debian and others; of Fedora. */
const SYSTEM_AUTHORITIES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];
/** Of a certificate with hundreds of names, in a line for people. */
const MAX_NAMES_SHOWN = 3;
const MAX_NAME_LENGTH = 64;

/** What X.509 verification calls it, and what people do; those of an authority that is not known are all one. */
const UNTRUSTED = 'is of an authority that is not trusted here (sip.trunk.ca_file)';
const VERIFICATION: ReadonlyMap<string, string> = new Map([
  ['CERT_HAS_EXPIRED', 'has expired'],
  ['CERT_NOT_YET_VALID', "is not valid yet, by this host's clock"],
  ['CERT_REVOKED', 'is revoked'],
  ['INVALID_PURPOSE', 'is not one of a server'],
  ['CERT_UNTRUSTED', UNTRUSTED],
  ['CERT_REJECTED', UNTRUSTED],
  ['CERT_SIGNATURE_FAILURE', UNTRUSTED],
  ['INVALID_CA', UNTRUSTED],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNTRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNTRUSTED],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNTRUSTED],
]);

/** Thrown where a certificate is good, and of somebody else. */
export class WrongNameError extends Error {}

/** Connections of a gateway to its provider: TLS 1.2 or 1.3, to whoever has a certificate of the provider. */
export class ProviderTls {
  private readonly logger: Logger;
  private readonly wallNow: () => number;
  private readonly settings: TrunkTls;
  private own: StreamCertificate | undefined;
  /** Hundreds of authorities are read once, and when they have changed. */
  private context:
    { readonly own: StreamCertificate | undefined; readonly stamp: string; readonly of: SecureContext } | undefined;

  constructor(components: { readonly logger: Logger; readonly wallNow: () => number }, settings: TrunkTls) {
    this.logger = components.logger;
    this.wallNow = components.wallNow;
    this.settings = settings;
    this.own = settings.own?.certificate;
  }

  /** `secureConnect` comes when it is known who is there, `error` when it is another one. */
  open({ address: host, port }: SocketAddress): TLSSocket {
    const { names, serverName } = this.settings;
    this.renew();
    return connect({
      ...{ host, port, secureContext: this.secureContext(), rejectUnauthorized: true },
      ...(serverName !== undefined && { servername: serverName }),
      checkServerIdentity: (_, { raw }: PeerCertificate) => wrongName(raw, names),
    });
  }

  /** What has ended a connection, if TLS has, in one line for people. */
  troubleWith(remote: SocketAddress, error: unknown): string | undefined {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const at = formatSocketAddress(remote);
    if (error instanceof WrongNameError) return `${at}: ${error.message}`;
    const verified = VERIFICATION.get(code);
    if (verified !== undefined) return `${at}: its certificate ${verified}`;
    if (/ALERT_CERTIFICATE_REQUIRED|ALERT_NO_CERTIFICATE/.test(code))
      return `${at}: it wants a certificate of ours (sip.trunk.certificate_file)`;
    if (/ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_)/.test(code))
      return `${at}: it refuses our certificate (sip.trunk.certificate_file)`;
    // What a system call says is of TCP.
    if (error instanceof Error && 'syscall' in error) return undefined;
    return `${at}: TLS fails: ${code === '' ? messageOf(error) : code}`;
  }

  private secureContext(): SecureContext {
    const { own } = this;
    const { authorities } = this.settings;
    const bundle = authorities === '' ? systemBundle() : undefined;
    const stamp = bundle === undefined ? '' : `${bundle.path} ${bundle.changedMs}`;
    if (this.context?.stamp === stamp && this.context.own === own) return this.context.of;
    // Without such a file Node looks into folders, too, which takes a third of a second.
    const ofSystem = (): string | string[] =>
      bundle === undefined ? getCACertificates('system') : readFileSync(bundle.path, 'utf8');
    const of = createSecureContext({
      minVersion: 'TLSv1.2',
      ca: authorities === '' ? ofSystem() : authorities,
      ...(own !== undefined && { cert: own.certificates, key: own.key }),
    });
    this.context = { own, stamp, of };
    return of;
  }

  /** One that was renewed is shown from the next connection on. */
  private renew(): void {
    if (this.own === undefined || this.settings.own === undefined) return;
    try {
      this.own = renewedStreamCertificate(this.own, this.settings.own.certificateFiles, this.wallNow()) ?? this.own;
    } catch (error) {
      this.logger.warn('SIP trunk: the former certificate is shown', { err: messageOf(error) });
    }
  }
}

function systemBundle(): { readonly path: string; readonly changedMs: number } | undefined {
  for (const path of SYSTEM_AUTHORITIES) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined) return { path, changedMs: found.mtimeMs };
  }
  return undefined;
}

/** RFC 5922 s7.2: who a certificate is of. @returns undefined: of one of these */
function wrongName(der: Uint8Array, names: readonly string[]): WrongNameError | undefined {
  let found: readonly string[];
  try {
    found = namesIn(der);
  } catch {
    return new WrongNameError('its certificate names nobody that can be read');
  }
  // "Implementations MUST NOT match any form of wildcard": who has one there writes it into the settings.
  if (found.some((name) => names.includes(name))) return undefined;
  const shown = found.slice(0, MAX_NAMES_SHOWN).map((name) => name.slice(0, MAX_NAME_LENGTH));
  const others = found.length > MAX_NAMES_SHOWN ? ` and ${found.length - MAX_NAMES_SHOWN} more` : '';
  const whose = found.length === 0 ? 'nobody' : `${shown.join(', ')}${others}`;
  return new WrongNameError(`its certificate is of ${whose}, not of ${names.join(' or ')}`);
}

/**
 * RFC 5922 s7.1: SIP URIs without a user part, and where there are none, names of DNS; addresses for who is known by nothing else. The
 * subject's own name is not looked at any more (RFC 9525 s2).
 */
function namesIn(der: Uint8Array): string[] {
  const { extensions } = AsnConvert.parse(der, Certificate).tbsCertificate;
  const extension = extensions?.find(({ extnID }) => extnID === id_ce_subjectAltName);
  if (extension === undefined) return [];
  const all = [...AsnConvert.parse(extension.extnValue.buffer, SubjectAlternativeName)];
  const uris = all.flatMap(({ uniformResourceIdentifier: uri = '' }) => /^sip:([^@;?]+)$/i.exec(uri)?.[1] ?? []);
  const hosts = all.flatMap(({ dNSName }) => dNSName ?? []);
  const addresses = all.flatMap(({ iPAddress }) => iPAddress ?? []);
  return [
    ...(uris.length > 0 ? uris : hosts).map((name) => name.toLowerCase()),
    ...addresses.filter((text) => isIpAddress(text)).map((text) => canonicalAddress(text)),
  ];
}
