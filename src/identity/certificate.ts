import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  Certificate,
  type Extension,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  NameConstraints,
  SubjectAlternativeName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
} from '@peculiar/asn1-x509';
import { equalBytes } from '../base/bytes.ts';
import { isHit, type Hit, type NodeId } from '../base/node-id.ts';
import { CertificateError } from './errors.ts';
import { isOverlayName, isUserName } from './names.ts';
import { publicKeyOf } from './signature.ts';

/** Ours have about 500 bytes, with a 4096-bit RSA key about 1,500. */
export const MAX_CERTIFICATE_BYTES = 4096;

/** The same one is read by each who keeps, shows or judges it; about 2 KiB each. Least recently read ones leave first. */
const MAX_READ = 256;
const read = new Map<string, NodeCertificate>();

/** RFC 5280 s4.1.2.4: of issuers alone; what RFC 6940 s11.3 says of subjects is in the alternative name. */
export const COMMON_NAME = '2.5.4.3';

/** RFC 5280 s4.2: a certificate with a critical extension that is not understood must be rejected. */
const UNDERSTOOD_EXTENSIONS: ReadonlySet<string> = new Set([
  id_ce_subjectAltName,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_extKeyUsage,
  id_ce_nameConstraints,
]);

/** RFC 6940 s14.15: Destination type node (01), 16 bytes (10), the Node-ID; then the overlay; no specifier. */
const RELOAD_URI = /^reload:\/\/0110([0-9a-f]{32})@([a-z0-9.-]+)\/$/i;

export function reloadUri(nodeId: NodeId, overlay: string): string {
  return `reload://0110${nodeId}@${overlay}/`;
}

/**
 * What an inviter's certificate lets it name: users of its overlay (RFC 5280 s4.2.1.10: all mailboxes of that host). Not the hosts
 * of URIs: OpenSSL takes what stands before the @ of a reload URI for a part of its host, and would refuse every Node-ID.
 */
export function overlayConstraints(overlay: string): NameConstraints {
  const base = new GeneralName({ rfc822Name: overlay });
  return new NameConstraints({ permittedSubtrees: new GeneralSubtrees([new GeneralSubtree({ base })]) });
}

/** A certificate of RFC 6940 s11.3 with one Node-ID. It was read, not trusted: that is the TrustStore's word. */
export class NodeCertificate {
  readonly der: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** What the certificate says; whether the key gives this HIT is checked by the TrustStore. */
  readonly nodeId: NodeId;
  readonly overlay: string;
  readonly user: string | null;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** May issue certificates (BasicConstraints CA): the authority's, with `pathLength` 0 an inviter's. */
  readonly isAuthority: boolean;
  readonly pathLength: number | undefined;
  /** The inviter that is said to have issued it; undefined: someone else. */
  readonly inviter: Hit | undefined;
  /** A key that has made its signature, as was found. */
  private signer: Uint8Array | undefined;

  /** @throws {CertificateError} */
  constructor(der: Uint8Array) {
    this.der = der.slice();
    let x509: X509Certificate;
    let names: Names;
    try {
      x509 = new X509Certificate(this.der);
      // Also refuses PEM and trailing bytes.
      if (!equalBytes(x509.raw, der)) throw new CertificateError('not one DER certificate');
      names = namesOf(AsnConvert.parse(this.der, Certificate));
      this.spki = partOf(this.der, x509.publicKey.export({ format: 'der', type: 'spki' }));
    } catch (cause) {
      if (cause instanceof CertificateError) throw cause;
      throw new CertificateError('the certificate cannot be read', { cause });
    }
    this.nodeId = names.nodeId;
    this.overlay = names.overlay;
    this.user = names.user;
    this.notBefore = x509.validFromDate.getTime();
    this.notAfter = x509.validToDate.getTime();
    this.serialNumber = x509.serialNumber.toLowerCase();
    this.isAuthority = x509.ca;
    this.pathLength = names.pathLength;
    this.inviter = names.inviter;
  }

  /** Whether the key made this certificate's signature. */
  isSignedBy(spki: Uint8Array): boolean {
    if (this.signer !== undefined && equalBytes(this.signer, spki)) return true;
    try {
      // Not kept: OpenSSL's form of a certificate is ten times as large.
      if (!new X509Certificate(this.der).verify(publicKeyOf(spki))) return false;
    } catch {
      return false;
    }
    this.signer = spki;
    return true;
  }
}

/** The bytes as a view of what they are a part of, so that they take no memory of their own; otherwise a copy. */
function partOf(whole: Uint8Array, part: Uint8Array): Uint8Array {
  const at = Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength).indexOf(part);
  return at < 0 ? new Uint8Array(part) : whole.subarray(at, at + part.length);
}

interface Names {
  readonly nodeId: NodeId;
  readonly overlay: string;
  readonly user: string | null;
  readonly pathLength: number | undefined;
  readonly inviter: Hit | undefined;
}

function namesOf(certificate: Certificate): Names {
  let altNames: SubjectAlternativeName | undefined;
  let pathLength: number | undefined;
  let constraints: ArrayBuffer | undefined;
  const seen = new Set<string>();
  const extensions: readonly Extension[] = certificate.tbsCertificate.extensions ?? [];
  for (const { extnID, critical, extnValue } of extensions) {
    if (seen.has(extnID)) throw new CertificateError(`the certificate has the extension ${extnID} twice`);
    seen.add(extnID);
    if (critical && !UNDERSTOOD_EXTENSIONS.has(extnID))
      throw new CertificateError(`the certificate has an unknown critical extension ${extnID}`);
    if (extnID === id_ce_subjectAltName) altNames = AsnConvert.parse(extnValue.buffer, SubjectAlternativeName);
    if (extnID === id_ce_basicConstraints)
      pathLength = AsnConvert.parse(extnValue.buffer, BasicConstraints).pathLenConstraint;
    if (extnID === id_ce_nameConstraints) constraints = extnValue.buffer;
  }
  if (altNames === undefined) throw new CertificateError('the certificate names no Node-ID');
  let node: { nodeId: NodeId; overlay: string } | undefined;
  let user: string | null = null;
  for (const { uniformResourceIdentifier, rfc822Name } of altNames) {
    if (uniformResourceIdentifier !== undefined) {
      if (node !== undefined) throw new CertificateError('the certificate names several Node-IDs; one is supported');
      const [, nodeId, overlay] = RELOAD_URI.exec(uniformResourceIdentifier) ?? [];
      if (nodeId === undefined || overlay === undefined || !isOverlayName(overlay))
        throw new CertificateError('the certificate has a URI that is no Node-ID of an overlay');
      node = { nodeId: nodeId.toLowerCase(), overlay };
    } else if (rfc822Name !== undefined) {
      if (user !== null) throw new CertificateError('the certificate names several users');
      if (!isUserName(rfc822Name)) throw new CertificateError('the certificate has a user name that is not allowed');
      user = rfc822Name;
    } else throw new CertificateError('the certificate names something other than a node and a user');
  }
  if (node === undefined) throw new CertificateError('the certificate names no Node-ID');
  // The TrustStore lets nobody name others, so these say nothing new; of any others it would know nothing.
  if (
    constraints !== undefined &&
    !equalBytes(new Uint8Array(constraints), new Uint8Array(AsnConvert.serialize(overlayConstraints(node.overlay))))
  )
    throw new CertificateError('the certificate has other name constraints than the users of its overlay');
  return { ...node, user, pathLength, inviter: inviterOf(certificate) };
}

function inviterOf(certificate: Certificate): Hit | undefined {
  for (const name of certificate.tbsCertificate.issuer)
    for (const { type, value } of name) {
      const text = type === COMMON_NAME ? value.utf8String : undefined;
      if (text !== undefined && isHit(text)) return text;
    }
  return undefined;
}

/**
 * Reads hostile bytes (DER, at most 4,096 bytes).
 * @throws {CertificateError} when it is no certificate in the form of RFC 6940 s11.3 with one Node-ID.
 */
export function parseCertificate(der: Uint8Array): NodeCertificate {
  if (der.length > MAX_CERTIFICATE_BYTES)
    throw new CertificateError(`a certificate of ${der.length} bytes is too long`);
  const name = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1');
  const certificate = read.get(name) ?? new NodeCertificate(der);
  read.delete(name);
  read.set(name, certificate);
  if (read.size > MAX_READ) {
    const [oldest] = read.keys();
    if (oldest !== undefined) read.delete(oldest);
  }
  return certificate;
}
