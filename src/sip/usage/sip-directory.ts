import { MalformedMessageError } from '../../base/errors.ts';
import type { Hit } from '../../base/node-id.ts';
import { isUserName } from '../../identity/names.ts';
import { OverlayBusyError, OverlayError } from '../../overlay/errors.ts';
import type { LookupDone, LookupResult, NameService } from '../../overlay/naming.ts';
import type { OverlayNode } from '../../overlay/overlay-node.ts';
import { SIP_REGISTRATION } from '../../overlay/storage/kinds.ts';
import type { FetchedValue } from '../../overlay/storage/storage-client.ts';
import type { KnownPorts } from './known-ports.ts';
import { adaptorPortOf } from './contact-preferences.ts';
import { ERROR_CODES, type SipRegistration, decodeSipRegistration } from '../../reload/index.ts';

// Implementation constants.

/** Of one user: so many are rung at once (RFC 7904 s8.2.1, fork explosion). */
const MAX_HOSTS = 8;
/**
 * A call and what follows it ask once; a phone that registers is found within that time. Until then it is called where phones without
 * a registration are, and there nobody answers: that is forgotten soonest.
 */
const KEPT_MS = { registrations: 5_000, names: 1_000, nobody: 2_000 } as const;
const MAX_KEPT = 256;
/** Records of names live for 30 days, and are written anew twice a day (`NameService`) by whoever is in the overlay: three times were missed. */
const OVERDUE_MS = 36 * 3_600_000;
/** At a time: names, and those that wait for one. */
const MAX_LOOKUPS = 64;
const MAX_WAITING = 64;

const SAYS_NONE: ReadonlySet<number> = new Set([ERROR_CODES.not_found, ERROR_CODES.unknown_kind]);

/** One host of a user, and how its phones are reached. */
export interface SipHost {
  readonly hit: Hit;
  /** RFC 3840; '' when it has none. */
  readonly preferences: string;
  /** Of one that was found by its name: its overlay address, since its phone may know IPv4 alone. */
  readonly ipv4: string | undefined;
  /** When its record was written, by its clock. */
  readonly storedAt: number | undefined;
  /** That of a name was not renewed in time. */
  readonly isOverdue: boolean;
}

export interface SipPlaces {
  /** `registrations`: an adaptor is there. `names`: a host of that name, on which a phone may listen at port 5060. */
  readonly from: 'registrations' | 'names';
  /** The latest record first, 1 to 8. */
  readonly hosts: readonly SipHost[];
}

/** What is looked up in: an OverlayNode and its NameService. */
export interface SipDirectoryComponents {
  readonly overlay: Pick<OverlayNode, 'settings' | 'fetch'>;
  readonly names: Pick<NameService, 'lookupName'>;
  /** Learns where their adaptors listen. */
  readonly ports?: KnownPorts;
}

/**
 * Where the phones of a user are (RFC 7904 s4). Each record is signed by a certificate of that user, and says nothing of any host
 * but its writer's: routes to other hosts and other AoRs are not followed, since those could not prove that they speak for him.
 */
export class SipDirectory {
  private readonly overlay: SipDirectoryComponents['overlay'];
  private readonly names: SipDirectoryComponents['names'];
  private readonly ports: KnownPorts | undefined;
  /** Answers that are still good, the oldest first. */
  private readonly kept = new Map<string, { readonly result: LookupResult<SipPlaces>; readonly until: number }>();
  private readonly waiting = new Map<string, LookupDone<SipPlaces>[]>();

  constructor({ overlay, names, ports }: SipDirectoryComponents) {
    this.overlay = overlay;
    this.names = names;
    this.ports = ports;
  }

  /**
   * @param aor `alice@home.example`, in lower case (`OverlayNames.addresseeOf`)
   * @param done within the call when the answer is known; fails with `not_found` when the overlay has no such user.
   */
  lookUp(aor: string, now: number, done: LookupDone<SipPlaces>): void {
    if (!isUserName(aor)) {
      done({ ok: false, error: nobody(aor) }, now);
      return;
    }
    const known = this.known(aor, now);
    if (known !== undefined) {
      done(known, now);
      return;
    }
    const others = this.waiting.get(aor);
    if (others === undefined ? this.waiting.size >= MAX_LOOKUPS : others.length >= MAX_WAITING) {
      done({ ok: false, error: new OverlayBusyError('lookups of SIP users') }, now);
      return;
    }
    if (others !== undefined) {
      others.push(done);
      return;
    }
    this.waiting.set(aor, [done]);
    this.fetch(aor, now);
  }

  /** What was answered a moment ago; undefined: the overlay has to be asked. */
  known(aor: string, now: number): LookupResult<SipPlaces> | undefined {
    const kept = this.kept.get(aor);
    return kept !== undefined && now < kept.until ? kept.result : undefined;
  }

  private fetch(aor: string, now: number): void {
    const resource = this.overlay.settings.ring.resourceIdOf(aor);
    this.overlay.fetch({ resource, kind: SIP_REGISTRATION.id }, now, (result, at) => {
      const hosts = result.ok ? hostsOf(aor, result.values) : [];
      for (const { hit, preferences } of hosts) this.ports?.learn(hit, adaptorPortOf(preferences));
      if (hosts.length > 0) {
        this.answer(aor, { ok: true, value: { from: 'registrations', hosts } }, at);
        return;
      }
      // A peer of an earlier version does not know of registrations. One that is silent would be silent again.
      if (result.ok || SAYS_NONE.has(result.error.errorCode)) this.fetchName(aor, at);
      else this.answer(aor, result, at);
    });
  }

  private fetchName(aor: string, now: number): void {
    this.names.lookupName(aor, now, (result, at) => {
      if (!result.ok) {
        const error = result.error.errorCode === ERROR_CODES.not_found ? nobody(aor) : result.error;
        this.answer(aor, { ok: false, error }, at);
        return;
      }
      const hosts = result.value.slice(0, MAX_HOSTS).map(({ hit, ipv4, storedAt, source }) => ({
        ...{ hit, ipv4, storedAt, preferences: '' },
        isOverdue: source.ageMs > OVERDUE_MS,
      }));
      this.answer(aor, { ok: true, value: { from: 'names', hosts } }, at);
    });
  }

  private answer(aor: string, result: LookupResult<SipPlaces>, now: number): void {
    const waiting = this.waiting.get(aor) ?? [];
    this.waiting.delete(aor);
    this.keep(aor, result, now);
    for (const done of waiting) done(result, now);
  }

  /** What failed is asked again. */
  private keep(aor: string, result: LookupResult<SipPlaces>, now: number): void {
    this.kept.delete(aor);
    if (!result.ok && result.error.errorCode !== ERROR_CODES.not_found) return;
    this.kept.set(aor, { result, until: now + KEPT_MS[result.ok ? result.value.from : 'nobody'] });
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= MAX_KEPT) break;
      this.kept.delete(oldest);
    }
  }
}

/** Signature, user and dictionary key have been checked (USER-NODE-MATCH); two users may have one hash in theory. */
function hostsOf(aor: string, values: readonly FetchedValue[]): SipHost[] {
  return values
    .filter(({ signer }) => signer.user === aor)
    .sort((a, b) => b.storageTime - a.storageTime)
    .flatMap((value) => hostOf(value) ?? [])
    .slice(0, MAX_HOSTS);
}

/** @returns undefined when the record leads to anything but its writer. */
function hostOf({ value, signer, storageTime: storedAt }: FetchedValue): SipHost | undefined {
  const registration = decoded(value.value);
  if (registration?.type !== 'route' || registration.destinationList.length !== 1) return undefined;
  const [destination] = registration.destinationList;
  if (destination?.type !== 'node' || destination.nodeId !== signer.nodeId) return undefined;
  return { hit: signer.nodeId, preferences: registration.contactPrefs, ipv4: undefined, storedAt, isOverdue: false };
}

function decoded(bytes: Uint8Array): SipRegistration | undefined {
  try {
    return decodeSipRegistration(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

function nobody(aor: string): OverlayError {
  return new OverlayError(ERROR_CODES.not_found, `no host has registered ${aor} in this overlay`);
}
