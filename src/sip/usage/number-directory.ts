import { isUserOf } from '../../identity/names.ts';
import type { OverlayNode } from '../../overlay/overlay-node.ts';
import { IDLOC_NUMBER, IDLOC_NUMBERS } from '../../overlay/storage/kinds.ts';
import {
  numberMark,
  numberMarksOf,
  numberOf,
  numberResourceName,
  numberToken,
} from '../../overlay/storage/number-value.ts';
import type { FetchedValue } from '../../overlay/storage/storage-client.ts';
import { ERROR_CODES } from '../../reload/index.ts';

// Implementation constants.

/** Somebody dials again, or a number is given to somebody: what nobody has is asked for again soon. */
const KEPT_MS = { somebody: 30_000, nobody: 1_000 } as const;
/** Lists of what gateways have given, so that many calls ask once. */
const LISTS_KEPT_MS = 1_000;
/** Callers wait no longer for the overlay: then the number is one of the world outside. */
const PATIENCE_MS = 1_500;
const MAX_KEPT = 256;
/** At a time: numbers, and calls that wait for one. */
const MAX_LOOKUPS = 64;
const MAX_WAITING = 64;

/** Peers of earlier versions keep no such records. */
const SAYS_NONE: ReadonlySet<number> = new Set([ERROR_CODES.not_found, ERROR_CODES.unknown_kind]);

type Overlay = Pick<OverlayNode, 'settings' | 'fetch' | 'state'>;
type Done = (user: string | undefined, now: number) => void;

export interface NumberDirectoryPorts {
  /** Undefined: not in the overlay now. */
  overlay(): Overlay | undefined;
  after(ms: number, then: (now: number) => void): void;
  /** The member to whom the gateway of this host has given a number: `bob@home.example`. */
  own(number: string): string | undefined;
}

/**
 * Whose a telephone number is: as the gateways say that this host has named, and as nobody else can. Each has a place of its own for a
 * number, where only its hosts can write (USER-NODE-NUMBER); places of others are not looked at.
 *
 *   number ──> list of each gateway ──has its mark──> the gateway's record of the number ──> user
 *                                   └─has not──> nobody's: no peer is told what is dialled
 */
export class NumberDirectory {
  private readonly ports: NumberDirectoryPorts;
  private readonly gateways: readonly string[];
  /** Answers that are still good, the oldest first. */
  private readonly kept = new Map<string, { readonly user: string | undefined; readonly until: number }>();
  private readonly waiting = new Map<string, Done[]>();
  private readonly lists = new Map<string, { readonly marks: ReadonlySet<string>; readonly until: number }>();

  /** @param gateways AoRs, the best first: what the first one says counts */
  constructor(ports: NumberDirectoryPorts, gateways: readonly string[]) {
    this.ports = ports;
    this.gateways = gateways;
  }

  /**
   * @param number E.164: `+4930123456`
   * @param done called once, now or later, with the AoR of a member; undefined: it is no member's, or the overlay does not say.
   */
  lookUp(number: string, now: number, done: Done): void {
    const own = this.ports.own(number);
    const overlay = this.ports.overlay();
    if (own !== undefined || this.gateways.length === 0 || overlay === undefined) {
      done(own, now);
      return;
    }
    const kept = this.kept.get(number);
    if (kept !== undefined && now < kept.until) {
      done(kept.user, now);
      return;
    }
    const others = this.waiting.get(number);
    if (others === undefined ? this.waiting.size >= MAX_LOOKUPS : others.length >= MAX_WAITING) {
      done(undefined, now);
      return;
    }
    if (others !== undefined) {
      others.push(done);
      return;
    }
    this.waiting.set(number, [done]);
    this.ask(overlay, number, now);
  }

  private ask(overlay: Overlay, number: string, now: number): void {
    const { ring, name: domain } = overlay.settings;
    const token = numberToken(domain, number);
    /** Absent: it has not answered. */
    const said = new Map<string, string | undefined>();
    const mark = numberMark(token);
    let left = this.gateways.length;
    let open = true;
    const finish = (at: number): void => {
      if (!open) return;
      open = false;
      const user = this.gateways.map((gateway) => said.get(gateway)).find((found) => found !== undefined);
      this.answer(number, user, said.size === this.gateways.length, at);
    };
    this.ports.after(PATIENCE_MS, finish);
    const heard = (at: number): void => {
      left -= 1;
      if (left === 0) finish(at);
    };
    for (const gateway of this.gateways)
      this.listOf(overlay, gateway, now, (marks, at) => {
        if (marks?.has(mark) !== true) {
          if (marks !== undefined) said.set(gateway, undefined);
          heard(at);
          return;
        }
        const resource = ring.resourceIdOf(numberResourceName(token, gateway));
        overlay.fetch({ resource, kind: IDLOC_NUMBER.id }, at, (result, then) => {
          if (result.ok) said.set(gateway, userOf(result.values, { gateway, token, domain }));
          else if (SAYS_NONE.has(result.error.errorCode)) said.set(gateway, undefined);
          heard(then);
        });
      });
  }

  /** @param done undefined: the overlay does not say */
  private listOf(
    overlay: Overlay,
    gateway: string,
    now: number,
    done: (marks: ReadonlySet<string> | undefined, now: number) => void,
  ): void {
    const kept = this.lists.get(gateway);
    if (kept !== undefined && now < kept.until) {
      done(kept.marks, now);
      return;
    }
    const resource = overlay.settings.ring.resourceIdOf(gateway);
    overlay.fetch({ resource, kind: IDLOC_NUMBERS.id }, now, (result, at) => {
      if (!result.ok && !SAYS_NONE.has(result.error.errorCode)) {
        done(undefined, at);
        return;
      }
      const theirs = (result.ok ? result.values : []).filter(({ signer }) => signer.user === gateway);
      const marks = new Set(theirs.flatMap(({ value }) => numberMarksOf(value.value)));
      this.lists.set(gateway, { marks, until: at + LISTS_KEPT_MS });
      done(marks, at);
    });
  }

  /** @param isSure all gateways' places have been seen: what failed is asked again */
  private answer(number: string, user: string | undefined, isSure: boolean, now: number): void {
    const waiting = this.waiting.get(number) ?? [];
    this.waiting.delete(number);
    this.kept.delete(number);
    if (isSure) this.kept.set(number, { user, until: now + KEPT_MS[user === undefined ? 'nobody' : 'somebody'] });
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= MAX_KEPT) break;
      this.kept.delete(oldest);
    }
    for (const done of waiting) done(user, now);
  }
}

/** Signature, user, dictionary key and place have been checked (USER-NODE-NUMBER); of a gateway's hosts the latest word counts. */
function userOf(
  values: readonly FetchedValue[],
  wanted: { readonly gateway: string; readonly token: Uint8Array; readonly domain: string },
): string | undefined {
  const [latest] = values
    .filter(({ signer }) => signer.user === wanted.gateway)
    .sort((a, b) => b.storageTime - a.storageTime);
  const said = latest && numberOf(latest.value.value);
  if (said === undefined || said.user === null || !isUserOf(said.user, wanted.domain)) return undefined;
  return Buffer.from(said.token).equals(wanted.token) ? said.user : undefined;
}
