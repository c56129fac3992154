import { fromHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Hit, NodeId } from '../base/node-id.ts';
import { ERROR_CODES } from '../reload/index.ts';
import { OverlayError } from './errors.ts';
import type { OverlayNode } from './overlay-node.ts';
import { IDLOC_HOST, IDLOC_IPV4, IDLOC_NAME } from './storage/kinds.ts';
import type { FetchResult, FetchedValue } from './storage/storage-client.ts';
import { decodeHostValue, decodeIpv4Value, decodeNameValue, ipv4ResourceName } from './storage/values.ts';

/** Who said it. */
export interface RecordSource {
  /** The peer that answered. */
  readonly responder: NodeId;
  /** The host that wrote and signed the record. */
  readonly signer: NodeId;
  /** Milliseconds since it was written, by the writer's clock. */
  readonly ageMs: number;
  /** Links that the answer came over. */
  readonly hops: number;
}

/** One host of a user. */
export interface NamedHost {
  readonly hit: Hit;
  readonly ipv4: string | undefined;
  /** When its record was written: milliseconds since the epoch, by its clock. */
  readonly storedAt?: number;
  readonly source: RecordSource;
}

/** A host that has given a name back. */
export interface FormerHost {
  readonly hit: Hit;
  /** Milliseconds since the epoch, by its clock. */
  readonly leftAt: number;
}

export interface Ipv4Holder {
  readonly hit: Hit;
  readonly user: string | undefined;
  /** Seconds that the claim lives on without being refreshed. */
  readonly lifetimeS: number;
  readonly source: RecordSource;
}

export interface HostRecord {
  readonly user: string | undefined;
  /** Only when the host does hold the claim on it. */
  readonly ipv4: string | undefined;
  readonly source: RecordSource;
}

export type LookupResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: OverlayError };
export type LookupDone<T> = (result: LookupResult<T>, now: number) => void;

/** What records are read through: an OverlayNode. */
export type RecordOverlay = Pick<OverlayNode, 'fetch' | 'settings'>;

/** Reads of names, addresses and hosts. Every value's signature, and its writer's right to it, has been checked. */
export class NameRecords {
  private readonly overlay: RecordOverlay;
  private readonly clock: Clock;

  constructor(components: { overlay: RecordOverlay; clock: Clock }) {
    this.overlay = components.overlay;
    this.clock = components.clock;
  }

  /** The hosts of a user (`alice@example.net`), the latest record first. Fails with `not_found` when there are none. */
  hostsOf(user: string, now: number, done: LookupDone<readonly NamedHost[]>): void {
    const resource = this.overlay.settings.ring.resourceIdOf(user);
    this.overlay.fetch({ resource, kind: IDLOC_NAME.id }, now, (result, at) => {
      if (!result.ok) {
        done(result, at);
        return;
      }
      const hosts = result.values.flatMap((value) => {
        const ipv4 = decoded(value, decodeNameValue)?.ipv4;
        if (ipv4 === undefined || value.signer.user !== user) return [];
        const { signer, storageTime: storedAt } = value;
        return [{ hit: signer.nodeId, ipv4: ipv4 ?? undefined, storedAt, source: this.sourceOf(value, result) }];
      });
      hosts.sort((a, b) => a.source.ageMs - b.source.ageMs);
      if (hosts.length === 0) done({ ok: false, error: notFound(`no host has the name ${user}`) }, at);
      else this.keepHeldAddresses(hosts, at, done);
    });
  }

  /** Hosts that had the name and gave it back, with when they did; as long as the overlay remembers it. */
  formerHostsOf(user: string, now: number, done: LookupDone<readonly FormerHost[]>): void {
    const resource = this.overlay.settings.ring.resourceIdOf(user);
    this.overlay.fetch({ resource, kind: IDLOC_NAME.id }, now, (result, at) => {
      if (!result.ok) done(result, at);
      else {
        const theirs = result.removed.filter((entry) => entry.user === user);
        const value = theirs.map(({ nodeId, storageTime }) => ({ hit: nodeId, leftAt: storageTime }));
        done({ ok: true, value }, at);
      }
    });
  }

  /** Who holds an IPv4 overlay address. */
  holderOf(ipv4: string, now: number, done: LookupDone<Ipv4Holder>): void {
    const resource = this.overlay.settings.ring.resourceIdOf(ipv4ResourceName(ipv4));
    this.overlay.fetch({ resource, kind: IDLOC_IPV4.id }, now, (result, at) => {
      if (!result.ok) {
        done(result, at);
        return;
      }
      const [value] = result.values;
      const claim = value === undefined ? undefined : decoded(value, decodeIpv4Value);
      if (value === undefined || claim === undefined) {
        done({ ok: false, error: notFound(`no host has claimed ${ipv4}`) }, at);
        return;
      }
      const { hit, user } = claim;
      const source = this.sourceOf(value, result);
      done({ ok: true, value: { hit, user: user ?? undefined, lifetimeS: value.lifetimeS, source } }, at);
    });
  }

  /** User and IPv4 address of a host. */
  hostOf(hit: Hit, now: number, done: LookupDone<HostRecord>): void {
    const resource = this.overlay.settings.ring.resourceIdOf(fromHex(hit));
    this.overlay.fetch({ resource, kind: IDLOC_HOST.id }, now, (result, at) => {
      if (!result.ok) {
        done(result, at);
        return;
      }
      const [value] = result.values;
      const host = value === undefined ? undefined : decoded(value, decodeHostValue);
      if (value === undefined || host === undefined) {
        done({ ok: false, error: notFound('the host has stored nothing about itself') }, at);
        return;
      }
      // The user is the certificate's: a record cannot name another.
      const record: HostRecord = {
        user: value.signer.user ?? undefined,
        ipv4: undefined,
        source: this.sourceOf(value, result),
      };
      const { ipv4 } = host;
      if (ipv4 === null) {
        done({ ok: true, value: record }, at);
        return;
      }
      this.holderOf(ipv4, at, (holder, later) => {
        const holds = holder.ok && holder.value.hit === hit;
        done({ ok: true, value: holds ? { ...record, ipv4 } : record }, later);
      });
    });
  }

  /** A host may write any address into its name record: only those that it has claimed count. */
  private keepHeldAddresses(hosts: readonly NamedHost[], now: number, done: LookupDone<readonly NamedHost[]>): void {
    const checked = [...hosts];
    let open = 1;
    const finish = (at: number): void => {
      open -= 1;
      if (open === 0) done({ ok: true, value: checked }, at);
    };
    hosts.forEach((host, i) => {
      if (host.ipv4 === undefined) return;
      open += 1;
      this.holderOf(host.ipv4, now, (holder, at) => {
        if (!holder.ok || holder.value.hit !== host.hit) checked[i] = { ...host, ipv4: undefined };
        finish(at);
      });
    });
    finish(now);
  }

  private sourceOf(value: FetchedValue, answer: FetchResult & { ok: true }): RecordSource {
    const ageMs = Math.max(0, this.clock.wall() - value.storageTime);
    return { responder: answer.responder, signer: value.signer.nodeId, ageMs, hops: answer.hops };
  }
}

/** A value of another version is as good as none. */
function decoded<T>({ value }: FetchedValue, decode: (bytes: Uint8Array) => T): T | undefined {
  try {
    return decode(value.value);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

function notFound(what: string): OverlayError {
  return new OverlayError(ERROR_CODES.not_found, `${what} in this overlay`);
}
