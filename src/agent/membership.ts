import type { Clock } from '../base/clock.ts';
import { IdlocError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import {
  overlayConfiguration,
  type OverlayConfiguration,
  type RendezvousMode,
} from '../config/overlay-configuration.ts';
import { readOverlayConfiguration } from '../config/overlay-configuration-reader.ts';
import { signOverlayConfiguration } from '../config/overlay-configuration-writer.ts';
import { OverlayAuthority } from '../identity/authority.ts';
import type { AuthorityContents } from '../identity/authority-export.ts';
import { parseCertificate } from '../identity/certificate.ts';
import type { Membership as Enrolled } from '../identity/enrollment.ts';
import { RENDEZVOUS_SECRET_BYTES } from '../identity/code-secret.ts';
import type { EnrollmentRegister, SeenMember } from '../identity/enrollment-register.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { KeyStore } from '../identity/key-store.ts';
import { checkNewOverlayName } from '../identity/new-overlay-name.ts';
import { sha256 } from '../identity/signature.ts';
import { TrustStore } from '../identity/trust-store.ts';
import { compareSequences } from '../overlay/configuration-sequence.ts';
import { overlaySettings, type OverlaySettings } from '../overlay/settings.ts';
import { kindsOf } from '../overlay/storage/kinds.ts';

/** RFC 6940's default of 5,000 ends at six hosts of one user: each record brings the certificate of its signer. */
const MAX_MESSAGE_BYTES = 20_000;

/** The authority where this host created the overlay, and whom it has let in. */
export interface Founder {
  readonly authority: OverlayAuthority;
  readonly register: EnrollmentRegister;
}

/** What makes this host a member of one overlay. */
export interface Membership {
  readonly configuration: OverlayConfiguration;
  /** The signed document of it. */
  readonly document: Uint8Array;
  /** DER: our own, that of the inviter if one issued it, the authority's. */
  readonly certificates: readonly Uint8Array[];
  /** SHA-256 of the authority's key. */
  readonly authority: Uint8Array;
  readonly trust: TrustStore;
  /** Under keys that it gives, members and holders of tickets find each other. */
  readonly secret: Uint8Array | null;
  /** `alice@home.example`. */
  readonly user: string | null;
  readonly founder: Founder | undefined;
  /** Milliseconds since the epoch: the authority has issued our certificate, so it is later than this. */
  readonly provenTime: number;
}

/** What its founder decides about an overlay. */
export interface NewOverlay {
  readonly overlay: string;
  readonly user: string | null;
  /** null: the default. */
  readonly ipv4Prefix: string | null;
  /** How long certificates of members live; null: a year. */
  readonly certificateLifetimeS?: number | null;
  /** Where members meet beside the LAN; absent: nowhere. */
  readonly rendezvous?: RendezvousMode;
}

interface Tools {
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * The membership that the state directory holds.
 * @returns undefined when it holds none.
 * @throws {IdlocError} when its files are broken or do not belong together.
 */
export function loadMembership(store: KeyStore, identity: HostIdentity, tools: Tools): Membership | undefined {
  const certificates = store.loadCertificates();
  const document = store.loadOverlayDocument();
  if (certificates === undefined || document === undefined) return undefined;
  const [own] = certificates;
  if (own === undefined || certificates.length < 2) throw broken('certificate.pem holds fewer than two certificates');
  if (parseCertificate(own).nodeId !== identity.hit)
    throw broken('certificate.pem is of another identity than identity.pem');
  return assemble({ store, certificates, document, secret: store.loadRendezvousSecret() ?? null, tools });
}

/**
 * A new overlay whose authority is this host.
 * @param options.user the name of its first member, or none.
 */
export function createMembership(
  store: KeyStore,
  identity: HostIdentity,
  options: NewOverlay,
  tools: Tools,
): Membership {
  const { overlay, user, ipv4Prefix, certificateLifetimeS = null, rendezvous = 'none' } = options;
  checkNewOverlayName(overlay);
  const wallNow = tools.clock.wall();
  // An earlier attempt may have stopped after the authority was written.
  const stored = store.loadAuthority();
  if (stored !== undefined && stored.overlay !== overlay)
    throw new IdlocError(
      'other_overlay',
      `this state directory is the authority of ${stored.overlay}, not of ${overlay}: use another --state`,
    );
  const authority = stored ?? OverlayAuthority.create({ overlay, wallNow, random: tools.random });
  if (stored === undefined) store.saveAuthority(authority);
  const configuration = overlayConfiguration({
    overlay,
    maxMessageSize: MAX_MESSAGE_BYTES,
    rendezvous,
    ...(ipv4Prefix !== null && { ipv4Prefix }),
    ...(certificateLifetimeS !== null && { certificateLifetimeS }),
  });
  const lifetimeMs = configuration.certificateLifetimeS * 1000;
  const document = signOverlayConfiguration(configuration, authority);
  const certificates = [
    ...authority.issue(identity.spki, user, wallNow, tools.random, { lifetimeMs }),
    authority.certificate,
  ];
  // Its name is taken like everyone else's.
  const register = store.loadRegister(overlay);
  register.noteMembers([sightingOf(certificates[0])], wallNow);
  register.flush();
  const secret = store.loadRendezvousSecret() ?? tools.random.bytes(RENDEZVOUS_SECRET_BYTES);
  return save({ store, certificates, document, secret, tools });
}

/**
 * The overlay of an authority that was kept elsewhere: this host is its founder from now on. A member of it stays who it is, and
 * whom it has let in itself stays known; another host gives itself a certificate.
 * @param member what the host is in that overlay already.
 * @param user the name of a host that is no member yet: `checkUserFree`.
 */
export function restoreAuthority(
  store: KeyStore,
  identity: HostIdentity,
  given: {
    readonly contents: AuthorityContents;
    readonly member: Membership | undefined;
    readonly user: string | null;
  },
  tools: Tools,
): Membership {
  const { contents, member, user } = given;
  const { authority, register, configuration: document, secret } = contents;
  const { overlay } = authority;
  const wallNow = tools.clock.wall();
  if (store.loadAuthority() === undefined) store.saveAuthority(authority);
  if (member === undefined) store.saveRegister(register);
  const kept = store.loadRegister(overlay);
  kept.absorb(register.toJson());
  const exported = readOverlayConfiguration(document, { overlay, authority: authority.fingerprint });
  const { certificateLifetimeS } = exported;
  if (member !== undefined) {
    const isNewer = compareSequences(exported.sequence, member.configuration.sequence) > 0;
    if (isNewer) store.saveOverlayDocument(document);
    return assemble({ ...member, ...(isNewer && { document }), store, tools });
  }
  const lifetimeMs = certificateLifetimeS * 1000;
  const certificates = [
    ...authority.issue(identity.spki, user, wallNow, tools.random, { lifetimeMs }),
    authority.certificate,
  ];
  kept.noteMembers([sightingOf(certificates[0])], wallNow);
  kept.flush();
  return save({ store, certificates, document, secret, tools });
}

/** What the certificate says that the host itself has just got. */
function sightingOf(der: Uint8Array = new Uint8Array()): SeenMember {
  const { nodeId: hit, user, notBefore: issuedAt, notAfter: expiresAt } = parseCertificate(der);
  return { hit, user, issuedAt, expiresAt, issuer: null };
}

/** @throws {IdlocError} when the name is another host's. */
export function checkUserFree({ register }: AuthorityContents, { hit }: HostIdentity, user: string | null): void {
  const holder = user === null ? undefined : register.memberList().find((member) => member.user === user);
  if (holder !== undefined && holder.hit !== hit)
    throw new IdlocError(
      'name_taken',
      `the name ${holder.user ?? ''} is another host's: set another \`name\` for this one`,
    );
}

/** Keeps what the authority of a ticket has given us. */
export function adoptMembership(store: KeyStore, enrolled: Enrolled, tools: Tools): Membership {
  const { certificates, configuration: document, secret } = enrolled;
  return save({ store, certificates, document, secret, tools });
}

/** How the overlay's document sets our RELOAD node. */
export function settingsOf({
  configuration,
  document,
}: Pick<Membership, 'configuration' | 'document'>): OverlaySettings {
  return overlaySettings({
    name: configuration.overlay,
    sequence: configuration.sequence,
    document,
    ipv4Prefix: configuration.ipv4Prefix,
    kinds: kindsOf(configuration.kinds),
    initialTtl: configuration.initialTtl,
    maxMessageBytes: configuration.maxMessageSize,
    reliabilityTimerMs: configuration.reliabilityTimerMs,
    updateIntervalMs: configuration.chordUpdateIntervalS * 1000,
    pingIntervalMs: configuration.chordPingIntervalS * 1000,
  });
}

interface Parts {
  readonly store: KeyStore;
  readonly certificates: readonly Uint8Array[];
  readonly document: Uint8Array;
  readonly secret: Uint8Array | null;
  readonly tools: Tools;
}

function save(parts: Parts): Membership {
  const { store, certificates, document, secret } = parts;
  // Checked before anything is written; the certificate comes last, so that a membership is whole or not there.
  const membership = assemble(parts);
  store.saveOverlayDocument(document);
  if (secret !== null) store.saveRendezvousSecret(secret);
  store.saveCertificates(certificates);
  return membership;
}

function assemble({ store, certificates, document, secret, tools }: Parts): Membership {
  const [own, ...issuers] = certificates;
  const root = issuers.at(-1);
  if (own === undefined || root === undefined) throw broken('a certificate is missing');
  const { overlay, user, notBefore } = parseCertificate(own);
  const authority = sha256(parseCertificate(root).spki);
  const configuration = readOverlayConfiguration(document, { overlay, authority });
  const trust = new TrustStore({ overlay, mode: configuration.mode, authority, authorityCertificate: root });
  for (const nodeId of configuration.badNodes) trust.revoke(nodeId);
  // Whether it is valid now, is known when the time is: the clock of this host may be wrong.
  trust.verifyMember(certificates, tools.clock.wall(), { anyTime: true });
  return {
    configuration,
    document,
    certificates,
    authority,
    trust,
    secret,
    user,
    founder: founderOf(store, overlay),
    provenTime: notBefore,
  };
}

function founderOf(store: KeyStore, overlay: string): Founder | undefined {
  const authority = store.loadAuthority();
  return authority?.overlay === overlay ? { authority, register: store.loadRegister(overlay) } : undefined;
}

function broken(what: string): IdlocError {
  return new IdlocError(
    'broken_state',
    `the state directory is broken: ${what}: restore it from a backup, or use another --state`,
  );
}
