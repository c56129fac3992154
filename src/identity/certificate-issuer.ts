import { createHash } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
} from '@peculiar/asn1-x509';
import type { Random } from '../base/random.ts';
import { COMMON_NAME, overlayConstraints, reloadUri } from './certificate.ts';
import { CertificateError } from './errors.ts';
import type { HostIdentity } from './host-identity.ts';
import { isOverlayName, isUserOf } from './names.ts';
import { hitOfSpki } from './orchid.ts';

/** RFC 5758 s3.2: ecdsa-with-SHA256; its parameters are absent. */
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
/** RFC 5280 s4.1.2.2: positive, at most 20 bytes. */
const SERIAL_BYTES = 16;
/** RFC 7093 s2, method 1: the leftmost 160 bits of SHA-256. */
const KEY_IDENTIFIER_BYTES = 20;
/** An overlay's configuration may say otherwise. */
export const CERTIFICATE_LIFETIME_MS = 365 * 24 * 3_600_000;
/** Hosts whose clocks are behind must not find a fresh certificate in their future: this much, or this part of its life. */
const BACKDATE_MS = 24 * 3_600_000;
const BACKDATE_PART = 1 / 8;
/**
 * An overlay outlives the certificates of its members, and its founder's clock may be wrong when it is made (RFC 5280 s4.1.2.5:
 * no end that could be told).
 */
const AUTHORITY_FROM = 0;
const AUTHORITY_UNTIL = Date.UTC(9999, 11, 31, 23, 59, 59);

export interface CertificateSubject {
  /** DER SubjectPublicKeyInfo of an ECDSA P-256 key; its HIT becomes the Node-ID. */
  readonly spki: Uint8Array;
  readonly overlay: string;
  readonly user: string | null;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

function keyIdentifier(spki: SubjectPublicKeyInfo): Uint8Array<ArrayBuffer> {
  const digest = createHash('sha256').update(new Uint8Array(spki.subjectPublicKey)).digest();
  return new Uint8Array(digest.subarray(0, KEY_IDENTIFIER_BYTES));
}

/** Of the root certificate the overlay's name, of an inviter's its HIT: at most 64 characters (RFC 5280, ub-common-name). */
function commonName(text: string): Name {
  const value = new AttributeValue({ utf8String: text });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })])]);
}

function extension(extnID: string, critical: boolean, content: unknown): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(content)) });
}

/** What the key of a certificate may issue: certificates of inviters and members, of members, nothing. */
type Issues = 'all' | 'members' | 'nothing';

function build(
  signer: HostIdentity,
  subject: CertificateSubject,
  options: { readonly issuer: Name; readonly subject: Name; readonly issues: Issues },
  random: Random,
): Uint8Array {
  const { spki, overlay, user, notBefore, notAfter } = subject;
  if (!isOverlayName(overlay)) throw new CertificateError(`not an overlay name: ${overlay.slice(0, 80)}`);
  if (user !== null && !isUserOf(user, overlay))
    throw new CertificateError(`not a user name of the overlay ${overlay}: ${user.slice(0, 80)}`);
  const key = AsnConvert.parse(spki, SubjectPublicKeyInfo);
  const issuerKey = AsnConvert.parse(signer.spki, SubjectPublicKeyInfo);
  const altNames = [new GeneralName({ uniformResourceIdentifier: reloadUri(hitOfSpki(spki), overlay) })];
  if (user !== null) altNames.push(new GeneralName({ rfc822Name: user }));
  const cA = options.issues !== 'nothing';
  const usage = cA ? KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature : KeyUsageFlags.digitalSignature;
  const constraints = new BasicConstraints({ cA, ...(options.issues === 'members' && { pathLenConstraint: 0 }) });
  const extensions = [
    // RFC 5280 s4.2.1.6: critical, since the subject is empty.
    extension(id_ce_subjectAltName, !cA, new SubjectAlternativeName(altNames)),
    extension(id_ce_basicConstraints, true, constraints),
    extension(id_ce_keyUsage, true, new KeyUsage(usage)),
    extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(key))),
    extension(
      id_ce_authorityKeyIdentifier,
      false,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(issuerKey)) }),
    ),
  ];
  // RFC 5280 s4.2.1.10: critical, so that whoever does not know it takes nothing that the inviter has made.
  if (options.issues === 'members')
    extensions.push(extension(id_ce_nameConstraints, true, overlayConstraints(overlay)));
  if (!cA)
    extensions.push(extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])));
  const serialNumber = new Uint8Array(random.bytes(SERIAL_BYTES));
  // Positive, and never shortened by leading zeros.
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x7f) | 0x40;
  const algorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber.buffer,
    signature: algorithm,
    issuer: options.issuer,
    validity: new Validity({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) }),
    // RFC 6940 s11.3: empty, except where it names the issuer of others (RFC 5280 s4.1.2.4).
    subject: options.subject,
    subjectPublicKeyInfo: key,
    extensions: new Extensions(extensions),
  });
  const signature = new Uint8Array(signer.sign(new Uint8Array(AsnConvert.serialize(tbsCertificate))));
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: signature.buffer,
  });
  return new Uint8Array(AsnConvert.serialize(certificate));
}

/**
 * The certificate that a host makes for itself (RFC 6940 s11.3.1): it proves the HIT, not the user.
 * @returns DER, valid for a year from `wallNow` (milliseconds since the epoch).
 * @throws {CertificateError} when a name is not allowed.
 */
export function selfSignedCertificate(
  identity: HostIdentity,
  options: {
    readonly overlay: string;
    readonly user: string | null;
    readonly wallNow: number;
    readonly random: Random;
  },
): Uint8Array {
  const { overlay, user, wallNow, random } = options;
  const notBefore = wallNow - backdate(CERTIFICATE_LIFETIME_MS);
  const notAfter = wallNow + CERTIFICATE_LIFETIME_MS;
  // The issuer is the empty subject, so that other implementations see it as self-issued.
  const how = { issuer: new Name(), subject: new Name(), issues: 'nothing' } as const;
  return build(identity, { spki: identity.spki, overlay, user, notBefore, notAfter }, how, random);
}

/**
 * The root certificate of an overlay. It also names the authority's own HIT, which `configuration-signer` refers to.
 * @returns DER.
 * @throws {CertificateError} when the name is not allowed.
 */
export function authorityCertificate(
  authority: HostIdentity,
  options: { readonly overlay: string; readonly random: Random },
): Uint8Array {
  const { overlay, random } = options;
  const name = commonName(overlay);
  const how = { issuer: name, subject: name, issues: 'all' } as const;
  const validity = { notBefore: AUTHORITY_FROM, notAfter: AUTHORITY_UNTIL };
  return build(authority, { spki: authority.spki, overlay, user: null, ...validity }, how, random);
}

/**
 * What makes a member an inviter: an intermediate certificate for its host's key, path length 0, for users of the overlay. Its `notBefore` is the moment
 * of the grant, so that one made after a withdrawal is told from one made before.
 * @returns DER.
 * @throws {CertificateError} when a name is not allowed or the key is no host identity.
 */
export function inviterCertificate(
  authority: HostIdentity,
  subject: Omit<CertificateSubject, 'user'>,
  random: Random,
): Uint8Array {
  const how = {
    issuer: commonName(subject.overlay),
    subject: commonName(hitOfSpki(subject.spki)),
    issues: 'members',
  } as const;
  return build(authority, { ...subject, user: null }, how, random);
}

/**
 * A member's certificate (RFC 6940 s11.3) by the overlay's authority, or by an inviter.
 * @param signer.inviter the key is not the authority's but a host's that may invite.
 * @returns DER.
 * @throws {CertificateError} when a name is not allowed or the key is no host identity.
 */
export function issueCertificate(
  signer: { readonly key: HostIdentity; readonly inviter: boolean },
  subject: CertificateSubject,
  random: Random,
): Uint8Array {
  const issuer = commonName(signer.inviter ? signer.key.hit : subject.overlay);
  return build(signer.key, subject, { issuer, subject: new Name(), issues: 'nothing' }, random);
}

/** How long before `now` a certificate of this life begins. */
export function backdate(lifetimeMs: number): number {
  return Math.min(BACKDATE_MS, Math.floor(lifetimeMs * BACKDATE_PART));
}
