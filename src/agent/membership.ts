import { equalSecrets } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { IdlocError } from '../base/errors.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { overlayConfiguration, type OverlayConfiguration } from '../config/overlay-configuration.ts';
import { readOverlayConfiguration } from '../config/overlay-configuration-reader.ts';
import { signOverlayConfiguration } from '../config/overlay-configuration-writer.ts';
import { OverlayAuthority } from '../identity/authority.ts';
import { parseCertificate } from '../identity/certificate.ts';
import { EnrollmentServer, type Membership as Enrolled } from '../identity/enrollment.ts';
import { CODE_BYTES, secretOfCode, type EnrollmentRegister } from '../identity/enrollment-register.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { KeyStore } from '../identity/key-store.ts';
import { checkNewOverlayName } from '../identity/new-overlay-name.ts';
import { sha256 } from '../identity/signature.ts';
import { TrustStore } from '../identity/trust-store.ts';
import { overlaySettings, type OverlaySettings } from '../overlay/settings.ts';

/** RFC 6940's default of 5,000 ends at six hosts of one user: each record brings the certificate of its signer. */
const MAX_MESSAGE_BYTES = 20_000;
/** The founder's own code is used within the same call. */
const FOUNDER_CODE_MS = 60_000;

/** The authority where this host created the overlay: it lets newcomers in. */
export interface Founder {
  readonly authority: OverlayAuthority;
  readonly register: EnrollmentRegister;
  readonly enrollment: EnrollmentServer;
}

/** What makes this host a member of one overlay. */
export interface Membership {
  readonly configuration: OverlayConfiguration;
  /** The signed document of it. */
  readonly document: Uint8Array;
  /** DER: our own, the authority's. */
  readonly certificates: readonly Uint8Array[];
  /** SHA-256 of the authority's key. */
  readonly authority: Uint8Array;
  readonly trust: TrustStore;
  /** `alice@home.example`. */
  readonly user: string | null;
  readonly founder: Founder | undefined;
  /** Milliseconds since the epoch: the authority has issued our certificate, so it is later than this. */
  readonly provenTime: number;
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
  const [own, authority] = certificates;
  if (own === undefined || authority === undefined) throw broken('certificate.pem holds fewer than two certificates');
  if (parseCertificate(own).nodeId !== identity.hit)
    throw broken('certificate.pem is of another identity than identity.pem');
  return assemble({ store, certificates: [own, authority], document, tools });
}

/**
 * A new overlay whose authority is this host.
 * @param options.user the name of its first member, or none.
 */
export function createMembership(
  store: KeyStore,
  identity: HostIdentity,
  options: { readonly overlay: string; readonly user: string | null; readonly ipv4Prefix: string | null },
  tools: Tools,
): Membership {
  const { overlay, user, ipv4Prefix } = options;
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
  const document = signOverlayConfiguration(
    overlayConfiguration({ overlay, maxMessageSize: MAX_MESSAGE_BYTES, ...(ipv4Prefix !== null && { ipv4Prefix }) }),
    authority,
  );
  registerFounder(store.loadRegister(), identity.hit, user, tools);
  const certificates = [...authority.issue(identity.spki, user, wallNow, tools.random), authority.certificate];
  return save(store, certificates, document, tools);
}

/** Keeps what the authority of a ticket has given us. */
export function adoptMembership(store: KeyStore, enrolled: Enrolled, tools: Tools): Membership {
  return save(store, [enrolled.certificate.der, enrolled.authorityCertificate], enrolled.configuration, tools);
}

/** How the overlay's document sets our RELOAD node. */
export function settingsOf({ configuration, document }: Membership): OverlaySettings {
  return overlaySettings({
    name: configuration.overlay,
    sequence: configuration.sequence,
    document,
    ipv4Prefix: configuration.ipv4Prefix,
    initialTtl: configuration.initialTtl,
    maxMessageBytes: configuration.maxMessageSize,
    reliabilityTimerMs: configuration.reliabilityTimerMs,
    updateIntervalMs: configuration.chordUpdateIntervalS * 1000,
    pingIntervalMs: configuration.chordPingIntervalS * 1000,
  });
}

function save(store: KeyStore, certificates: readonly Uint8Array[], document: Uint8Array, tools: Tools): Membership {
  // Checked before anything is written; the certificate comes last, so that a membership is whole or not there.
  const membership = assemble({ store, certificates, document, tools });
  store.saveOverlayDocument(document);
  store.saveCertificates(certificates);
  return membership;
}

function assemble(given: {
  store: KeyStore;
  certificates: readonly Uint8Array[];
  document: Uint8Array;
  tools: Tools;
}): Membership {
  const { store, certificates, document, tools } = given;
  const [own, root] = certificates;
  if (own === undefined || root === undefined) throw broken('a certificate is missing');
  const { overlay, user, notBefore } = parseCertificate(own);
  const authority = sha256(parseCertificate(root).spki);
  const configuration = readOverlayConfiguration(document, { overlay, authority });
  const trust = new TrustStore({ overlay, mode: configuration.mode, authority, authorityCertificate: root });
  for (const nodeId of configuration.badNodes) trust.revoke(nodeId);
  // Whether it is valid now, is known when the time is: the clock of this host may be wrong.
  trust.verify(certificates, tools.clock.wall(), { anyTime: true });
  return {
    configuration,
    document,
    certificates,
    authority,
    trust,
    user,
    founder: founderOf(store, overlay, document, tools),
    provenTime: notBefore,
  };
}

function founderOf(store: KeyStore, overlay: string, document: Uint8Array, { random }: Tools): Founder | undefined {
  const authority = store.loadAuthority();
  if (authority?.overlay !== overlay) return undefined;
  const register = store.loadRegister();
  const enrollment = new EnrollmentServer({ authority, register, configuration: () => document, random });
  return { authority, register, enrollment };
}

/** The founder enrolls with its own authority like everyone else, so that its user name is taken. */
function registerFounder(register: EnrollmentRegister, hit: Hit, user: string | null, { random, clock }: Tools): void {
  const wallNow = clock.wall();
  const code = random.bytes(CODE_BYTES);
  const { id, key } = secretOfCode(code);
  register.addCode(code, { expiresAt: wallNow + FOUNDER_CODE_MS, user, wallNow });
  register.redeem({ hit, user, code: { id, isProvenBy: (other) => equalSecrets(other, key) }, wallNow });
}

function broken(what: string): IdlocError {
  return new IdlocError(
    'broken_state',
    `the state directory is broken: ${what}: restore it from a backup, or use another --state`,
  );
}
