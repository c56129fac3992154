import { fromHex } from '../base/bytes.ts';
import { type Clock, type Timed, earliest } from '../base/clock.ts';
import { type Ipv4Prefix, parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import { ERROR_CODES } from '../reload/index.ts';
import { MAX_IPV4_CHOICES } from './constants.ts';
import { ipv4Choice } from './ipv4-choice.ts';
import {
  type FormerHost,
  type HostRecord,
  type Ipv4Holder,
  type LookupDone,
  NameRecords,
  type NamedHost,
} from './name-records.ts';
import type { OverlayNode } from './overlay-node.ts';
import { isRefusedAs } from './storage/admission.ts';
import { IDLOC_HOST, IDLOC_IPV4, IDLOC_NAME } from './storage/kinds.ts';
import type { StoreResult, StoreSpec } from './storage/storage-client.ts';
import { encodeHostValue, encodeIpv4Value, encodeNameValue, ipv4ResourceName } from './storage/values.ts';

// Implementation constants.
/** Long, so that a host that sleeps for weeks keeps its address. */
const RECORD_LIFETIME_S = 30 * 86_400;
const REFRESH_INTERVAL_MS = 12 * 3_600_000;
/**
 * How often a host looks whether its records are still there, and the address its own: every copy may have gone with its
 * peers, and two rings may have become one far away, where whoever lost moves then. One Fetch each.
 */
const CHECK_INTERVAL_MS = 180_000;
/** After the neighbours changed, which may mean that two rings became one. */
const CHECK_AFTER_CHANGE_MS = 30_000;
const MIN_CHECK_PAUSE_MS = 60_000;
/** Name and host tell the address: while it is being claimed for the first time they wait, or each would be stored twice. */
const ADDRESS_PATIENCE_MS = 1_500;
/** With every choice taken, the first is asked for again after this time: somebody may have gone. */
const EXHAUSTED_RETRY_MS = 600_000;
/** After a store or fetch that got no answer; doubled each time. */
const RETRY_MS = 2_000;
const MAX_RETRY_MS = 120_000;

export type {
  FormerHost,
  HostRecord,
  Ipv4Holder,
  LookupDone,
  LookupResult,
  NamedHost,
  RecordSource,
} from './name-records.ts';

export type NameEvent =
  /** This host holds the address; an address that it held before is no longer its own. */
  | { readonly type: 'ipv4Claimed'; readonly address: string }
  /** Every address that was tried is taken. */
  | { readonly type: 'ipv4Exhausted' }
  | { readonly type: 'nameStored'; readonly user: string };

/** What names are written and read through: an OverlayNode. */
export type NameOverlay = Pick<OverlayNode, 'nodeId' | 'user' | 'state' | 'settings' | 'store' | 'fetch' | 'onEvent'>;

type Goal = 'ipv4' | 'name' | 'host';

/**
 * Names and IPv4 addresses of this host, claimed and kept; and lookups of those of others (docs: two-stage resolution).
 *
 *   claimIpv4 ──store──> claimed ──check──> fetch ──> ours, or nobody's ──store──> ...
 *                └─"claimed"──> next choice    └──> another's ──> next choice
 *
 * Claims survive every failure: what got no answer, or was refused for another reason than that the address is another's
 * (this host's clock, most of all), is tried again until it succeeds.
 */
export class NameService implements Timed {
  private readonly overlay: NameOverlay;
  private readonly logger: Logger;
  private readonly records: NameRecords;
  private readonly handlers: ((event: NameEvent, now: number) => void)[] = [];
  private user: string | undefined;
  private prefix: Ipv4Prefix | undefined;
  /** The address that is being claimed, or is claimed. */
  private address: string | undefined;
  private claimed = false;
  /** How long the other records wait for the address. */
  private addressBy = -Infinity;
  private attempt = -1;
  private retryMs = RETRY_MS;
  private readonly busy = new Set<Goal>();
  private givenBack = false;
  private readonly due = new Map<Goal, number>();
  private readonly checkedAt = new Map<Goal, number>();
  /** When what is true now was stored. */
  private readonly storedAt = new Map<Goal, number>();

  constructor(components: { overlay: NameOverlay; clock: Clock; logger: Logger }) {
    this.overlay = components.overlay;
    this.logger = components.logger;
    this.records = new NameRecords({ overlay: components.overlay, clock: components.clock });
    this.overlay.onEvent((event, now) => {
      if (event.type === 'joined') this.refreshAll(now);
      else if (event.type === 'neighborsChanged') this.checkAfterChange(now);
    });
  }

  /** The IPv4 overlay address that this host holds. */
  get ipv4(): string | undefined {
    return this.claimed ? this.address : undefined;
  }

  onEvent(handler: (event: NameEvent, now: number) => void): void {
    this.handlers.push(handler);
  }

  /** Stores this host under the user's name, which must be that of its certificate, and keeps it there. */
  claimName(user: string, now: number): void {
    this.user = user;
    this.storeAnew('name', now);
    this.storeAnew('host', now);
    this.handleTimeout(now);
  }

  /** Takes this host off the name that it has. Signed at once, by the certificate that still names it. */
  releaseName(now: number): void {
    const { user } = this;
    if (user === undefined) return;
    this.user = undefined;
    this.due.delete('name');
    this.storedAt.delete('name');
    // Without an answer the entry is there until it expires.
    this.store(this.nameSpec(user, null), now, () => {});
  }

  /**
   * Gives name and address back, for good: taken away by the host that wrote them, they are free for others at once.
   * @param done whether nothing of it is left, as soon as that is known.
   */
  giveBack(now: number, done: (complete: boolean, now: number) => void): void {
    const { user, address } = this;
    const host = this.resourceOf(fromHex(this.overlay.nodeId));
    const specs = [
      ...(user === undefined ? [] : [this.nameSpec(user, null)]),
      ...(address === undefined ? [] : [singleSpec(IDLOC_IPV4.id, this.resourceOf(ipv4ResourceName(address)), null)]),
      singleSpec(IDLOC_HOST.id, host, null),
    ];
    this.givenBack = true;
    this.user = undefined;
    this.prefix = undefined;
    this.address = undefined;
    this.claimed = false;
    let open = specs.length;
    let complete = true;
    for (const spec of specs)
      this.store(spec, now, (result, at) => {
        open -= 1;
        // An address that was not claimed yet, or is another's, is not to be given back.
        complete &&= result.ok || isRefusedAs(result.error, 'unclaimed') || isRefusedAs(result.error, 'claimed');
        if (open === 0) done(complete, at);
      });
  }

  /**
   * Claims an address of the prefix and keeps it: `preferred` first (that of an earlier run, when it is one of the HIT's
   * choices), then the choices in their order.
   * @throws {TypeError} when `prefix` is no IPv4 prefix
   */
  claimIpv4(options: { readonly prefix: string; readonly preferred?: string | undefined }, now: number): void {
    const { preferred } = options;
    this.prefix = parseIpv4Prefix(options.prefix);
    this.attempt = -1;
    this.claimed = false;
    this.address = undefined;
    if (preferred !== undefined && this.choiceOf(preferred) !== undefined) this.address = preferred;
    else this.chooseNext(now);
    this.addressBy = now + ADDRESS_PATIENCE_MS;
    this.due.set('ipv4', now);
    this.handleTimeout(now);
  }

  /** What was stored may be lost: it is stored again. */
  refresh(now: number): void {
    this.refreshAll(now);
    this.handleTimeout(now);
  }

  /** The hosts of a user, the latest record first. */
  lookupName(user: string, now: number, done: LookupDone<readonly NamedHost[]>): void {
    this.records.hostsOf(user, now, done);
  }

  lookupFormerHosts(user: string, now: number, done: LookupDone<readonly FormerHost[]>): void {
    this.records.formerHostsOf(user, now, done);
  }

  lookupIpv4(address: string, now: number, done: LookupDone<Ipv4Holder>): void {
    this.records.holderOf(address, now, done);
  }

  lookupHit(hit: Hit, now: number, done: LookupDone<HostRecord>): void {
    this.records.hostOf(hit, now, done);
  }

  nextTimeout(): number | undefined {
    const ready = [...this.due].filter(([goal]) => !this.busy.has(goal)).map(([goal, at]) => this.dueAt(goal, at));
    return this.overlay.state === 'joined' && !this.givenBack ? earliest(...ready) : undefined;
  }

  handleTimeout(now: number): void {
    if (this.overlay.state !== 'joined' || this.givenBack) return;
    for (const [goal, at] of [...this.due]) {
      if (this.dueAt(goal, at) > now || this.busy.has(goal)) continue;
      this.due.delete(goal);
      this.work(goal, now);
    }
  }

  private dueAt(goal: Goal, at: number): number {
    const waits = goal !== 'ipv4' && this.prefix !== undefined && !this.claimed;
    return waits ? Math.max(at, this.addressBy) : at;
  }

  /** What was stored may be gone with the peers that were there before. */
  private refreshAll(now: number): void {
    if (!this.claimed) this.addressBy = now + ADDRESS_PATIENCE_MS;
    if (this.prefix !== undefined) this.storeAnew('ipv4', now);
    if (this.user !== undefined) this.storeAnew('name', now);
    if (this.user !== undefined || this.claimed) this.storeAnew('host', now);
  }

  private storeAnew(goal: Goal, now: number): void {
    this.storedAt.delete(goal);
    this.due.set(goal, now);
  }

  /** Another ring may have come in: its records must win or lose against ours. */
  private checkAfterChange(now: number): void {
    for (const [goal, planned] of this.due) {
      const checkedAt = this.checkedAt.get(goal) ?? -Infinity;
      const at = Math.max(now + CHECK_AFTER_CHANGE_MS, checkedAt + MIN_CHECK_PAUSE_MS);
      if (planned > at) this.due.set(goal, at);
    }
  }

  private work(goal: Goal, now: number): void {
    this.busy.add(goal);
    this.checkedAt.set(goal, now);
    switch (goal) {
      case 'ipv4':
        this.checkClaim(now);
        return;
      case 'name':
        this.checkName(now);
        return;
      case 'host':
        this.checkHost(now);
    }
  }

  /** Stored not long ago: it is enough to see it there. */
  private isFresh(goal: Goal, now: number): boolean {
    return now < (this.storedAt.get(goal) ?? -Infinity) + REFRESH_INTERVAL_MS;
  }

  private checkClaim(now: number): void {
    if (this.address === undefined) this.chooseNext(now);
    const { address } = this;
    if (address === undefined) {
      this.busy.delete('ipv4');
      return;
    }
    // Whoever takes the claim looks whether it is another's.
    if (!this.claimed) {
      this.storeClaim(address, now);
      return;
    }
    this.records.holderOf(address, now, (result, at) => {
      if (address !== this.address) this.busy.delete('ipv4');
      else if (result.ok && result.value.hit !== this.overlay.nodeId) this.taken(at);
      else if (result.ok && this.isFresh('ipv4', at)) this.done('ipv4', at);
      else if (result.ok || result.error.errorCode === ERROR_CODES.not_found) this.storeClaim(address, at);
      else this.retry('ipv4', at);
    });
  }

  private storeClaim(address: string, now: number): void {
    const { nodeId: hit, user } = this.overlay;
    const value = encodeIpv4Value({ ipv4: address, hit, choice: this.choiceOf(address) ?? 0, user });
    const resource = this.resourceOf(ipv4ResourceName(address));
    this.store(singleSpec(IDLOC_IPV4.id, resource, value), now, (result, at) => {
      if (address !== this.address) {
        // Another prefix or address was asked for meanwhile.
        this.busy.delete('ipv4');
        return;
      }
      if (!result.ok) {
        if (isRefusedAs(result.error, 'claimed')) this.taken(at);
        else this.retry('ipv4', at);
        return;
      }
      const fresh = !this.claimed;
      this.claimed = true;
      this.stored('ipv4', at);
      if (!fresh) return;
      this.logger.info('ipv4 claimed', { addr: address });
      // Both records tell the address.
      this.storeAnew('host', at);
      if (this.user !== undefined) this.storeAnew('name', at);
      this.emit({ type: 'ipv4Claimed', address }, at);
    });
  }

  /** Another host holds the address. */
  private taken(now: number): void {
    this.logger.info('ipv4 taken', { addr: this.address });
    this.claimed = false;
    this.busy.delete('ipv4');
    this.chooseNext(now);
    if (this.address !== undefined) this.due.set('ipv4', now);
  }

  private chooseNext(now: number): void {
    this.attempt += 1;
    if (this.prefix !== undefined && this.attempt < MAX_IPV4_CHOICES) {
      this.address = ipv4Choice(this.prefix, this.overlay.nodeId, this.attempt);
      return;
    }
    this.address = undefined;
    this.attempt = -1;
    this.due.set('ipv4', now + EXHAUSTED_RETRY_MS);
    this.emit({ type: 'ipv4Exhausted' }, now);
  }

  /** Which of this host's choices an address is. */
  private choiceOf(address: string): number | undefined {
    for (let choice = 0; choice < MAX_IPV4_CHOICES; choice++)
      if (this.prefix !== undefined && ipv4Choice(this.prefix, this.overlay.nodeId, choice) === address) return choice;
    return undefined;
  }

  private checkName(now: number): void {
    const { user } = this;
    if (user === undefined) this.busy.delete('name');
    else if (!this.isFresh('name', now)) this.storeName(user, now);
    else
      this.records.hostsOf(user, now, (result, at) => {
        if (user !== this.user) this.busy.delete('name');
        else if (result.ok && result.value.some(({ hit }) => hit === this.overlay.nodeId)) this.done('name', at);
        else if (result.ok || result.error.errorCode === ERROR_CODES.not_found) this.storeName(user, at);
        else this.retry('name', at);
      });
  }

  private storeName(user: string, now: number): void {
    this.store(this.nameSpec(user, encodeNameValue({ ipv4: this.ipv4 ?? null })), now, (result, at) => {
      if (!result.ok) {
        this.retry('name', at);
        return;
      }
      this.stored('name', at);
      this.emit({ type: 'nameStored', user }, at);
    });
  }

  private checkHost(now: number): void {
    if (!this.isFresh('host', now)) this.storeHost(now);
    else
      this.records.hostOf(this.overlay.nodeId, now, (result, at) => {
        if (result.ok) this.done('host', at);
        else if (result.error.errorCode === ERROR_CODES.not_found) this.storeHost(at);
        else this.retry('host', at);
      });
  }

  private storeHost(now: number): void {
    const value = encodeHostValue({ user: this.overlay.user, ipv4: this.ipv4 ?? null });
    const resource = this.resourceOf(fromHex(this.overlay.nodeId));
    this.store(singleSpec(IDLOC_HOST.id, resource, value), now, (result, at) =>
      result.ok ? this.stored('host', at) : this.retry('host', at),
    );
  }

  /** This host's entry under a name. */
  private nameSpec(user: string, value: Uint8Array | null): StoreSpec {
    const key = fromHex(this.overlay.nodeId);
    return {
      resource: this.resourceOf(user),
      kind: IDLOC_NAME.id,
      value: { model: 'dictionary', key, ...contentsOf(value) },
      lifetimeS: RECORD_LIFETIME_S,
    };
  }

  private store(spec: StoreSpec, now: number, done: (result: StoreResult, now: number) => void): void {
    this.overlay.store(spec, now, (result, at) => {
      if (!result.ok) this.logger.debug('record not stored', { kind: spec.kind, err: result.error.message });
      if (!result.ok && (isRefusedAs(result.error, 'future') || isRefusedAs(result.error, 'expired')))
        this.logger.warn('record refused for its time: is the clock of this host right?', { kind: spec.kind });
      done(result, at);
    });
  }

  private stored(goal: Goal, now: number): void {
    // A change during the store has set an earlier time.
    if (!this.due.has(goal)) this.storedAt.set(goal, now);
    this.done(goal, now);
  }

  private done(goal: Goal, now: number): void {
    this.busy.delete(goal);
    this.retryMs = RETRY_MS;
    if (!this.due.has(goal)) this.due.set(goal, now + CHECK_INTERVAL_MS);
  }

  private retry(goal: Goal, now: number): void {
    this.busy.delete(goal);
    this.due.set(goal, now + this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, MAX_RETRY_MS);
  }

  private resourceOf(name: string | Uint8Array): string {
    return this.overlay.settings.ring.resourceIdOf(name);
  }

  private emit(event: NameEvent, now: number): void {
    for (const handler of this.handlers) handler(event, now);
  }
}

function singleSpec(kind: number, resource: string, value: Uint8Array | null): StoreSpec {
  return { resource, kind, value: { model: 'single', ...contentsOf(value) }, lifetimeS: RECORD_LIFETIME_S };
}

function contentsOf(value: Uint8Array | null): { readonly exists: boolean; readonly value: Uint8Array } {
  return { exists: value !== null, value: value ?? new Uint8Array() };
}
