import type { Timed } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import { MAX_LIFETIME_S } from './constants.ts';
import type { OverlayNode } from './overlay-node.ts';
import { isRefusedAs } from './storage/admission.ts';
import { IDLOC_RESERVATION } from './storage/kinds.ts';
import { encodeReservationValue, reservationOf, reservationResourceName } from './storage/values.ts';

// Implementation constants.
/** Until a host that has come with its ticket is found under the ticket's name: it stores its record within seconds. */
const SETTLING_S = 300;
/**
 * For whom a name was kept is remembered for so long, though others may have the name much sooner (`claimMs` of the Kind): whoever
 * hands it on knows then which host is not to come any more.
 */
const REMEMBERED_S = 7 * 86_400;
/** Every copy may have gone with its peers, and another inviter's reservation may have ended. */
const REFRESH_MS = 1_800_000;
/** After one that got no answer, doubled up to the above. */
const RETRY_MS = 2_000;

/** A name that is kept for whoever has a ticket. */
export interface ReservedName {
  readonly user: string;
  /** Seconds. */
  readonly lifetimeS: number;
}

/**
 * `kept`: nobody else gives the name away now. `others`: another inviter does, or keeps it for a ticket of its. `unknown`: the
 * overlay could not be asked.
 */
export type ReservationOutcome = 'kept' | 'others' | 'unknown';

/**
 * Keeps a name for a host that is about to get it. `hits`: hosts that may have it. `former`: for whom another inviter kept it
 * before, and does no more.
 */
export type Reserve = (
  user: string,
  hits: readonly Hit[],
  now: number,
  done: (outcome: ReservationOutcome, now: number, former?: Hit) => void,
) => void;

interface Kept {
  lifetimeS: number;
  due: number;
  retryMs: number;
}

/**
 * User names that this inviter gives away. Who stores the reservation of a name first has it until it ends: so of two inviters
 * that are asked for one name in the same moment one refuses, and a name that waits for a ticket is free nowhere.
 */
export class Reservations implements Timed {
  private readonly overlay: Pick<OverlayNode, 'nodeId' | 'settings' | 'state' | 'store' | 'fetch'>;
  private readonly kept = new Map<string, Kept>();
  private busy = false;

  constructor(components: {
    overlay: Pick<OverlayNode, 'nodeId' | 'settings' | 'state' | 'store' | 'fetch' | 'onEvent'>;
  }) {
    this.overlay = components.overlay;
    components.overlay.onEvent((event, now) => {
      if (event.type === 'joined') for (const kept of this.kept.values()) kept.due = now;
    });
  }

  /** A reservation for one of `hits` is as good. */
  readonly reserve: Reserve = (user, hits, now, done) => {
    // Its ticket was used: from now on it is kept for whoever has come.
    this.kept.delete(user);
    this.overlay.fetch({ resource: this.resourceOf(user), kind: IDLOC_RESERVATION.id }, now, (result, at) => {
      const [found] = result.ok ? result.values : [];
      const hit = found === undefined ? null : (reservationOf(found.value.value)?.hit ?? null);
      const isSame = hit !== null && hits.includes(hit);
      // Whom this inviter has let in itself, its register knows.
      const former = hit === null || isSame || found?.signer.nodeId === this.overlay.nodeId ? undefined : hit;
      this.store({ user, hit: hits[0] ?? null, lifetimeS: REMEMBERED_S }, at, (outcome, later) => {
        done(outcome === 'others' && isSame ? 'kept' : outcome, later, former);
      });
    });
  };

  /** All names that wait for a ticket's holder; those that were among them before and are no more are given up in a while. */
  keep(names: readonly ReservedName[], now: number): void {
    const wanted = new Map(names.map(({ user, lifetimeS }) => [user, lifetimeS]));
    for (const [user, kept] of this.kept)
      if (!wanted.has(user)) {
        this.kept.delete(user);
        // Used: its host is to be found under it first.
        if (kept.lifetimeS > SETTLING_S && this.overlay.state === 'joined')
          this.store({ user, hit: null, lifetimeS: SETTLING_S }, now, () => {});
      }
    for (const [user, lifetimeS] of wanted) {
      const kept = this.kept.get(user);
      if (kept === undefined) this.kept.set(user, { lifetimeS, due: now, retryMs: RETRY_MS });
      else kept.lifetimeS = lifetimeS;
    }
    this.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    if (this.busy || this.overlay.state !== 'joined' || this.kept.size === 0) return undefined;
    return Math.min(...[...this.kept.values()].map(({ due }) => due));
  }

  /** One at a time: there may be a thousand. */
  handleTimeout(now: number): void {
    if (this.busy || this.overlay.state !== 'joined') return;
    for (const [user, kept] of this.kept) {
      if (kept.due > now) continue;
      this.busy = true;
      this.store({ user, hit: null, lifetimeS: kept.lifetimeS }, now, (outcome, at) => {
        this.busy = false;
        kept.due = at + (outcome === 'unknown' ? kept.retryMs : REFRESH_MS);
        kept.retryMs = outcome === 'unknown' ? Math.min(kept.retryMs * 2, REFRESH_MS) : RETRY_MS;
        this.handleTimeout(at);
      });
      return;
    }
  }

  private store(
    { user, hit, lifetimeS }: ReservedName & { readonly hit: Hit | null },
    now: number,
    done: (outcome: ReservationOutcome, now: number) => void,
  ): void {
    const value = { model: 'single' as const, exists: true, value: encodeReservationValue({ user, hit }) };
    const spec = { resource: this.resourceOf(user), kind: IDLOC_RESERVATION.id, value };
    const lifetime = Math.max(1, Math.min(Math.floor(lifetimeS), MAX_LIFETIME_S));
    this.overlay.store({ ...spec, lifetimeS: lifetime }, now, (result, at) => {
      // More names than a peer keeps of one inviter: the register, and whom the overlay finds under the name, are what is left.
      if (result.ok || isRefusedAs(result.error, 'quota')) done('kept', at);
      else done(isRefusedAs(result.error, 'claimed') ? 'others' : 'unknown', at);
    });
  }

  private resourceOf(user: string): string {
    return this.overlay.settings.ring.resourceIdOf(reservationResourceName(user));
  }
}
