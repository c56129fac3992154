import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import { BASE_PATH_MTU } from '../native/data-plane.ts';

// RFC 8899 s5.1. All sizes are bytes of a datagram with its IP header.

/** s5.1.1: "MUST NOT be smaller than 1 second"; a later answer still counts here. */
export const PROBE_TIMER_MS = 1_000;
/** s5.1.1: "This timer has a period of 600 seconds". */
export const PMTU_RAISE_TIMER_MS = 600_000;
/**
 * On a path in use it is shorter the first time after a size was found, and doubles from then on: what loss has hidden is
 * found soon, without many probes where there is nothing to find.
 */
export const FIRST_RAISE_MS = 10_000;
/** s5.1.2: "The default value of MAX_PROBES is 3." */
export const MAX_PROBES = 3;

// Implementation.

/** While programs send packets that rely on the path MTU, it is confirmed this often: a narrower path shows in seconds. */
export const CONFIRMATION_TIMER_MS = 1_000;
/**
 * Of the size in use, when a smaller probe came through meanwhile: so many lost are enough, as TCP waits twice as long each time
 * (s5.1.2 asks for more than one).
 */
const MAX_CONFIRMATIONS = 2;
/** Without BASE_PLPMTU confirmed: RFC 1122 s3.3.2, what every IPv4 host takes. */
export const ERROR_PATH_MTU = 576;
/** Not even BASE_PLPMTU comes through: asked for again this often. */
export const ERROR_PROBE_MS = 2_000;
/** What nearly every path carries: asked for first, so that one round trip is enough there. */
export const ETHERNET_MTU = 1_500;
/** One step more: whoever does not carry this is no jumbo path, and is not asked for more. */
const BEYOND_ETHERNET = 1_520;
export const MAX_PATH_MTU = 9_000;
/** Two sizes, one carried and one not, that are no further apart end the search. */
const STEP = 8;
const JUMBO_STEP = 64;
/** Answers to probes of a size given up may still come. */
const REMEMBERED_PROBES = 16;
const PROBE_NUMBERS = 3;

/**
 * ```
 *          1280 confirmed               nothing larger left
 *   base ────────────────> searching ──────────────────────> searchComplete
 *    │ ^                      │  ^                                │
 *    │ └── confirmed size lost┴──┼────────────────────────────────┤
 *    │                           └──────── raise timer ───────────┘
 *    └── 1280 lost ──> error ── 1280 confirmed ──> searching
 * ```
 */
export type PathMtuState = 'base' | 'searching' | 'searchComplete' | 'error';

/** What it does to its path. */
export interface PathMtuPort {
  /** One datagram of `size` bytes. @returns its identification, by which the peer acknowledges it */
  sendProbe(size: number): number;
  /** Datagrams have at most `size` bytes from now on. Called at each change. */
  setPathMtu(size: number): void;
}

interface Round {
  readonly size: number;
  readonly began: number;
  sent: number;
  deadline: number;
}

/**
 * Path MTU discovery of one path by probes (RFC 8899, DPLPMTUD): `pathMtu` is never more than a size that was acknowledged
 * last, but for BASE_PLPMTU, which is believed until it fails. Messages of ICMP play no part. It never ends; drop it with its
 * path.
 */
export class PathMtu implements Timed {
  private readonly port: PathMtuPort;
  private current: PathMtuState = 'base';
  private confirmed: number;
  /** The smallest size that was lost, above `confirmed`. */
  private ceiling = MAX_PATH_MTU + 1;
  private search: Round | undefined;
  private confirmation: Round | undefined;
  /** When the last probe was sent of which it is known that `confirmed` came through: what has changed since is not known. */
  private confirmedAt = -Infinity;
  /** As `confirmedAt`, of BASE_PLPMTU. */
  private baseAt = -Infinity;
  /** As `confirmedAt`, of any size. */
  private anyAt = -Infinity;
  private raiseAt: number | undefined;
  private raiseAfterMs = FIRST_RAISE_MS;
  private usedSinceSearch = false;
  /**
   * Oldest first, PROBE_NUMBERS of each: its identification, its size, when it was sent. Those of sizes that a path does not carry
   * are never answered, and stay: of every link.
   */
  private probes: readonly number[] = [];

  /** @param known what the same path carried when it was last used; confirmed at once */
  constructor(port: PathMtuPort, now: number, known = BASE_PATH_MTU) {
    this.port = port;
    this.confirmed = Math.max(known, BASE_PATH_MTU);
    if (this.confirmed > BASE_PATH_MTU) {
      this.port.setPathMtu(this.confirmed);
      this.confirmation = this.begin(this.confirmed, now);
    }
    this.searchOn(now);
  }

  get state(): PathMtuState {
    return this.current;
  }

  get pathMtu(): number {
    return this.confirmed;
  }

  /** The peer answered the probe `id`. */
  acknowledged(id: number, now: number): void {
    const at = this.probes.findIndex((number, index) => index % PROBE_NUMBERS === 0 && number === id);
    const [, size, sentAt] = at < 0 ? [] : this.probes.slice(at, at + PROBE_NUMBERS);
    if (size === undefined || sentAt === undefined) return;
    this.probes = this.probes.slice(0, at).concat(this.probes.slice(at + PROBE_NUMBERS));
    this.anyAt = Math.max(this.anyAt, sentAt);
    if (size < BASE_PATH_MTU) return;
    if (size >= this.confirmed) this.confirmedAt = Math.max(this.confirmedAt, sentAt);
    if (size >= BASE_PATH_MTU) this.baseAt = Math.max(this.baseAt, sentAt);
    if (this.confirmation !== undefined && size >= this.confirmation.size) this.confirmation = undefined;
    if (size >= this.ceiling) this.ceiling = MAX_PATH_MTU + 1;
    const larger = size > this.confirmed;
    if (larger) this.change(size);
    const found = this.search !== undefined && size >= this.search.size;
    if (this.current === 'base' || this.current === 'error') this.current = 'searching';
    // A search that goes on for a larger size is not disturbed by what comes late of a smaller one.
    if (found || (larger && this.search === undefined)) this.searchOn(now);
  }

  /** Datagrams larger than BASE_PLPMTU are being sent. */
  used(now: number): void {
    if (!this.usedSinceSearch && this.raiseAt !== undefined) {
      this.raiseAt = Math.min(this.raiseAt, now + this.raiseAfterMs);
      this.raiseAfterMs = Math.min(2 * this.raiseAfterMs, PMTU_RAISE_TIMER_MS);
    }
    this.usedSinceSearch = true;
    if (this.confirmed <= BASE_PATH_MTU || this.confirmation !== undefined) return;
    if (now - this.confirmedAt >= CONFIRMATION_TIMER_MS) this.confirmation = this.begin(this.confirmed, now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.search?.deadline, this.confirmation?.deadline, this.raiseAt);
  }

  handleTimeout(now: number): void {
    const { confirmation } = this;
    if (confirmation !== undefined && confirmation.deadline <= now) {
      const isSure = confirmation.sent >= MAX_CONFIRMATIONS && this.anyAt >= confirmation.began;
      if (isSure || !this.repeat(confirmation, now)) this.blackHole(confirmation, now);
    }
    if (this.search !== undefined && this.search.deadline <= now && !this.repeat(this.search, now))
      this.lost(this.search, now);
    if (this.raiseAt !== undefined && this.raiseAt <= now) this.raise(now);
  }

  private change(size: number): void {
    this.raiseAfterMs = FIRST_RAISE_MS;
    this.confirmed = size;
    this.port.setPathMtu(size);
  }

  /** The next larger size worth a probe; undefined: none. */
  private nextSize(): number | undefined {
    const { confirmed, ceiling } = this;
    const common = [ETHERNET_MTU, BEYOND_ETHERNET, MAX_PATH_MTU].find((size) => confirmed < size && size < ceiling);
    if (common !== undefined) return common;
    const step = confirmed >= ETHERNET_MTU ? JUMBO_STEP : STEP;
    return ceiling - confirmed > step ? Math.floor((confirmed + ceiling) / 2) : undefined;
  }

  private searchOn(now: number): void {
    const size = this.nextSize();
    this.raiseAt = undefined;
    if (size !== undefined) {
      this.search = this.begin(size, now);
      return;
    }
    this.search = undefined;
    this.current = 'searchComplete';
    this.usedSinceSearch = false;
    this.raiseAt = now + PMTU_RAISE_TIMER_MS;
  }

  private begin(size: number, now: number): Round {
    const round: Round = { size, began: now, sent: 0, deadline: now };
    this.repeat(round, now);
    return round;
  }

  /** @returns false when the round is over: all of its probes were lost. */
  private repeat(round: Round, now: number): boolean {
    if (round.sent === MAX_PROBES) return false;
    round.sent += 1;
    round.deadline = now + PROBE_TIMER_MS;
    this.sendProbe(round.size, now);
    // Beside it, what ought to pass: it tells a size that is lost from a path that carries nothing.
    if (round.size > this.confirmed && this.confirmedAt < round.began) this.sendProbe(this.confirmed, now);
    if (round.sent === 1 || this.confirmed <= BASE_PATH_MTU) return true;
    // When that is lost as well, it is known by then whether the base is.
    if (this.baseAt < round.began) this.sendProbe(BASE_PATH_MTU, now);
    // What comes through when hardly anything does: the peer learns by it that something is wrong, and looks at its direction.
    if (round.size === this.confirmed) this.sendProbe(ERROR_PATH_MTU, now);
    return true;
  }

  private sendProbe(size: number, now: number): void {
    const id = this.port.sendProbe(size);
    this.probes = this.probes.slice((1 - REMEMBERED_PROBES) * PROBE_NUMBERS).concat([id, size, now]);
  }

  /** All probes of the search's size were lost. */
  private lost({ size, began }: Round, now: number): void {
    if (this.confirmedAt >= began) {
      this.ceiling = size;
      this.searchOn(now);
    } else if (this.confirmed > BASE_PATH_MTU) this.blackHole({ began }, now);
    else this.fail(now);
  }

  /** Not even the base comes through. */
  private fail(now: number): void {
    this.current = 'error';
    if (this.confirmed !== ERROR_PATH_MTU) this.change(ERROR_PATH_MTU);
    this.search = { size: BASE_PATH_MTU, began: now, sent: MAX_PROBES, deadline: now + ERROR_PROBE_MS };
    this.sendProbe(BASE_PATH_MTU, now);
  }

  /** What was confirmed once is lost now: the path is another one, or narrower. */
  private blackHole({ began }: Pick<Round, 'began'>, now: number): void {
    this.confirmation = undefined;
    this.raiseAt = undefined;
    this.ceiling = MAX_PATH_MTU + 1;
    if (this.baseAt < began) {
      this.fail(now);
      return;
    }
    this.current = 'base';
    this.change(BASE_PATH_MTU);
    this.searchOn(now);
  }

  private raise(now: number): void {
    // s5.1.1: "MAY inhibit sending probe packets when no application data has been sent since the previous probe packet".
    if (this.confirmed >= ETHERNET_MTU && !this.usedSinceSearch) {
      this.raiseAt = now + PMTU_RAISE_TIMER_MS;
      return;
    }
    this.ceiling = MAX_PATH_MTU + 1;
    this.current = 'searching';
    this.searchOn(now);
  }
}
