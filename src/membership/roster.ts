import { fromHex } from '../base/bytes.ts';
import type { Clock, Timed } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit, NodeId } from '../base/node-id.ts';
import { VERSION } from '../base/version.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import { IDLOC_MEMBER } from '../overlay/storage/kinds.ts';
import {
  MEMBER_SHARDS,
  type MemberValue,
  decodeMemberValue,
  encodeMemberValue,
  memberShardName,
  memberShardOf,
} from '../overlay/storage/member-value.ts';
import type { FetchResult, FetchedValue, StoreSpec } from '../overlay/storage/storage-client.ts';
import type { Run } from './double-watch.ts';
import {
  MAX_ROSTER_RETRY_MS,
  ROSTER_COPIES_ASKED,
  ROSTER_FETCHES,
  ROSTER_LIFETIME_S,
  ROSTER_REFRESH_MS,
  ROSTER_RETRY_MS,
} from './constants.ts';

/** What the list is written and read through: an OverlayNode. */
export type RosterOverlay = Pick<
  OverlayNode,
  'nodeId' | 'role' | 'state' | 'settings' | 'store' | 'fetch' | 'snapshot' | 'onEvent'
>;

/** What a host said of itself. */
export interface RosterEntry extends MemberValue {
  readonly hit: Hit;
  /** Its certificate's. */
  readonly user: string | null;
  /** DER: the one that it signed its entry with. */
  readonly certificate: Uint8Array | undefined;
  /** Milliseconds since the epoch, by its clock: it lived then. */
  readonly seenAt: number;
}

export interface RosterAnswer {
  readonly entries: readonly RosterEntry[];
  /** Parts of the list that nobody could give. */
  readonly missing: number;
}

/**
 * The members' list, which every host keeps its own entry of in the overlay's storage:
 *
 *   joined ──> storing ──> resting ──refresh, or something changed──> storing
 *                 └─failed──> pausing ──┘
 */
export class Roster implements Timed {
  private readonly overlay: RosterOverlay;
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** Milliseconds since the epoch: tells this agent's entries from those of another that has its key. */
  readonly startedAt: number;
  /** When this agent's entry was first taken, milliseconds since the epoch: what another agent writes later is no former life's. */
  private takenAt: number | undefined;
  private storing = false;
  private givenBack = false;
  private dueAt: number | undefined;
  private retryMs = ROSTER_RETRY_MS;

  constructor(components: { overlay: RosterOverlay; clock: Clock; logger: Logger }) {
    this.overlay = components.overlay;
    this.logger = components.logger;
    this.clock = components.clock;
    this.startedAt = this.clock.wall();
    this.overlay.onEvent((event, now) => {
      if (event.type === 'joined' || event.type === 'roleChanged') this.changed(now);
    });
  }

  /** Our entry is another one now, or may be lost. */
  changed(now: number): void {
    this.dueAt = now;
    this.retryMs = ROSTER_RETRY_MS;
  }

  /** The entry is written again, and only what another agent writes after that says that it lives. */
  startOver(now: number): void {
    this.takenAt = undefined;
    this.changed(now);
  }

  /**
   * Another agent that has written the entry under this host's key since this one did first. Others are asked for their copies
   * too: two peers of one key may both be responsible for it.
   * @param since milliseconds since the epoch: what to compare with as long as this agent's entry was not taken.
   */
  latestRun(since: number | undefined, now: number, done: (run: Run | undefined, now: number) => void): void {
    const from = this.takenAt ?? since;
    if (from === undefined || this.givenBack) {
      done(undefined, now);
      return;
    }
    const { nodeId, role } = this.overlay;
    const spec = { resource: this.resourceOf(memberShardOf(nodeId)), kind: IDLOC_MEMBER.id, keys: [fromHex(nodeId)] };
    const neighbors = role === 'peer' ? this.neighbors(now) : [];
    let open = 1 + neighbors.length;
    let told = false;
    const answered = (result: FetchResult, at: number): void => {
      open -= 1;
      const [value] = result.ok ? result.values : [];
      const entry = value === undefined ? undefined : entryOf(value);
      const isOther = entry?.hit === nodeId && entry.startedAt !== this.startedAt && entry.seenAt > from;
      if (told || (!isOther && open > 0)) return;
      told = true;
      done(isOther ? entry : undefined, at);
    };
    this.overlay.fetch(spec, now, answered);
    for (const neighbor of neighbors) this.overlay.fetch({ ...spec, from: neighbor }, now, answered);
  }

  /** Those that hold copies of what this peer is responsible for, as far as it has found them yet. */
  private neighbors(now: number): NodeId[] {
    const { successors, connections } = this.overlay.snapshot(now);
    return [...new Set([...successors, ...connections])].slice(0, ROSTER_COPIES_ASKED);
  }

  /** This host's entry is taken away, for good. */
  giveBack(now: number, done: (complete: boolean, now: number) => void): void {
    this.givenBack = true;
    this.overlay.store(this.specOf({ exists: false, value: new Uint8Array() }), now, (result, at) => {
      done(result.ok, at);
    });
  }

  /** Everyone's entries, part by part. */
  list(now: number, done: (answer: RosterAnswer, now: number) => void): void {
    const entries: RosterEntry[] = [];
    let next = 0;
    let open = 0;
    let missing = 0;
    const fetchNext = (at: number): void => {
      while (open < ROSTER_FETCHES && next < MEMBER_SHARDS) {
        const resource = this.resourceOf(next);
        next += 1;
        open += 1;
        this.overlay.fetch({ resource, kind: IDLOC_MEMBER.id }, at, (result, later) => {
          open -= 1;
          if (result.ok) entries.push(...result.values.flatMap((value) => entryOf(value) ?? []));
          else missing += 1;
          fetchNext(later);
          if (open === 0) done({ entries, missing }, later);
        });
      }
    };
    fetchNext(now);
  }

  nextTimeout(): number | undefined {
    return this.overlay.state === 'joined' && !this.storing && !this.givenBack ? this.dueAt : undefined;
  }

  handleTimeout(now: number): void {
    if (
      this.storing ||
      this.givenBack ||
      this.overlay.state !== 'joined' ||
      this.dueAt === undefined ||
      this.dueAt > now
    )
      return;
    this.storing = true;
    this.dueAt = undefined;
    const { role } = this.overlay;
    const value = encodeMemberValue({ role, startedAt: this.startedAt, software: VERSION });
    const wallNow = this.clock.wall();
    this.overlay.store(this.specOf({ exists: true, value }), now, (result, at) => {
      this.storing = false;
      if (result.ok) this.takenAt ??= wallNow;
      if (!result.ok) this.logger.debug('entry not stored', { err: result.error.message });
      // A change during the store has set an earlier time.
      this.dueAt ??= at + (result.ok ? ROSTER_REFRESH_MS : this.retryMs);
      this.retryMs = result.ok ? ROSTER_RETRY_MS : Math.min(this.retryMs * 2, MAX_ROSTER_RETRY_MS);
    });
  }

  private specOf(contents: { readonly exists: boolean; readonly value: Uint8Array }): StoreSpec {
    const { nodeId } = this.overlay;
    return {
      resource: this.resourceOf(memberShardOf(nodeId)),
      kind: IDLOC_MEMBER.id,
      value: { model: 'dictionary', key: fromHex(nodeId), ...contents },
      lifetimeS: ROSTER_LIFETIME_S,
    };
  }

  private resourceOf(shard: number): string {
    return this.overlay.settings.ring.resourceIdOf(memberShardName(shard));
  }
}

function entryOf({ value, signer, certificate, storageTime }: FetchedValue): RosterEntry | undefined {
  try {
    return {
      ...decodeMemberValue(value.value),
      hit: signer.nodeId,
      user: signer.user,
      certificate,
      seenAt: storageTime,
    };
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
