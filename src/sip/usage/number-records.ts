import { fromHex } from '../../base/bytes.ts';
import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { OverlayNode } from '../../overlay/overlay-node.ts';
import { IDLOC_NUMBER, IDLOC_NUMBERS } from '../../overlay/storage/kinds.ts';
import {
  encodeNumberMarks,
  encodeNumberValue,
  numberMark,
  numberResourceName,
  numberToken,
} from '../../overlay/storage/number-value.ts';
import type { UserRecord } from './sip-records.ts';

// Implementation constants.

/** A gateway that is off for longer says no more whose its numbers are. Three refreshes fit. */
const LIFETIME_S = 7_200;
const REFRESH_MS = 2_400_000;
/** After a store that failed; doubled each time. */
const RETRY_MS = { least: 2_000, most: 300_000 } as const;

/** Which numbers this gateway has given; kept as those of phones are. */
export const NUMBER_MARKS_RECORD: UserRecord = {
  kind: IDLOC_NUMBERS,
  lifetimeS: LIFETIME_S,
  encode: (marks) => encodeNumberMarks(marks),
};

/** For that record; undefined: none are given. */
export function marksOf(overlay: string, numbers: Iterable<string>): string | undefined {
  const marks = Array.from(numbers, (number) => numberMark(numberToken(overlay, number)));
  return marks.length === 0 ? undefined : marks.sort().join('');
}

/** What the records are written through: an OverlayNode. */
export type NumberRecordsOverlay = Pick<OverlayNode, 'nodeId' | 'user' | 'state' | 'settings' | 'store' | 'onEvent'>;

export interface NumberRecordsPorts {
  /** E.164 number to the AoR of the member that this gateway has given it to, as it is now. */
  own(): ReadonlyMap<string, string>;
}

interface Entry {
  /** The gateway's name, and whose the number is; empty: it is there no more. Undefined: nobody knows, a former life may have stored it. */
  stored: string | undefined;
  writeAt: number;
  retryMs: number;
}

/**
 * Whose numbers are, as this gateway says it in the overlay (IDLOC-NUMBER), one record a number:
 *
 *   given to somebody, or to somebody else ──> writing ──> resting ──refresh──> writing;     taken away ──> removing ──> forgotten
 *                                                 └─failed──> pausing ──┘
 *
 * One Store at a time.
 */
export class NumberRecords implements Timed {
  private readonly overlay: NumberRecordsOverlay;
  private readonly ports: NumberRecordsPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly entries = new Map<string, Entry>();
  private writing = false;
  private resigned = false;

  constructor(components: {
    overlay: NumberRecordsOverlay;
    ports: NumberRecordsPorts;
    random: Random;
    logger: Logger;
  }) {
    this.overlay = components.overlay;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.overlay.onEvent((event, now) => {
      if (event.type !== 'joined') return;
      // What was stored may be gone with the peers that had it.
      for (const entry of this.entries.values()) entry.writeAt = now;
      this.changed(now);
    });
  }

  /** Whether the overlay has it as it is now. */
  isStored(number: string): boolean {
    return this.entries.get(number)?.stored === this.wanted(number);
  }

  /** Numbers were given or taken away, or this host has another name. */
  changed(now: number): void {
    if (this.resigned || this.overlay.state !== 'joined') return;
    for (const number of this.ports.own().keys())
      if (!this.entries.has(number))
        this.entries.set(number, { stored: undefined, writeAt: now, retryMs: RETRY_MS.least });
    for (const [number, entry] of this.entries) if (entry.stored !== this.wanted(number)) entry.writeAt = now;
  }

  /** Takes all off the name that the certificate still has: after that it could not. Signed at once. */
  releaseName(now: number): void {
    this.removeAll(now, () => {});
  }

  /** Before we leave for good. @param done whether nothing of ours is left */
  giveBack(now: number, done: (complete: boolean) => void): void {
    this.resigned = true;
    this.removeAll(now, done);
  }

  nextTimeout(): number | undefined {
    if (this.resigned || this.writing || this.overlay.state !== 'joined' || this.overlay.user === null)
      return undefined;
    return earliest(...[...this.entries.values()].map(({ writeAt }) => writeAt));
  }

  handleTimeout(now: number): void {
    const at = this.nextTimeout();
    if (at === undefined || at > now) return;
    const [number, entry] = [...this.entries].find(([, { writeAt }]) => writeAt === at) ?? [];
    if (number === undefined || entry === undefined) return;
    const said = this.wanted(number);
    this.writing = true;
    this.store(number, this.ports.own().get(number) ?? null, now, (ok, then) => {
      this.writing = false;
      entry.stored = ok ? said : undefined;
      entry.writeAt = then + (ok ? this.jittered(REFRESH_MS) : entry.retryMs);
      entry.retryMs = ok ? RETRY_MS.least : Math.min(entry.retryMs * 2, RETRY_MS.most);
      // It may be another's by now.
      if (ok && this.wanted(number) !== said) entry.writeAt = then;
      if (entry.stored === '' && this.wanted(number) === '') this.entries.delete(number);
    });
  }

  private wanted(number: string): string {
    const user = this.ports.own().get(number);
    return user === undefined ? '' : `${this.overlay.user} ${user}`;
  }

  private removeAll(now: number, done: (complete: boolean) => void): void {
    const stored = [...this.entries].filter(([, entry]) => entry.stored !== '');
    let left = stored.length;
    let complete = true;
    if (left === 0 || this.overlay.user === null) done(left === 0);
    else
      for (const [number, entry] of stored) {
        entry.stored = '';
        this.store(number, null, now, (ok) => {
          complete &&= ok;
          left -= 1;
          if (left === 0) done(complete);
        });
      }
  }

  /** @param member null: nobody any more */
  private store(number: string, member: string | null, now: number, done: (ok: boolean, now: number) => void): void {
    const { nodeId, settings, user } = this.overlay;
    const token = numberToken(settings.name, number);
    const value = encodeNumberValue({ token, user: member });
    const spec = {
      resource: settings.ring.resourceIdOf(numberResourceName(token, user ?? '')),
      kind: IDLOC_NUMBER.id,
      value: { model: 'dictionary' as const, key: fromHex(nodeId), exists: member !== null, value },
      lifetimeS: LIFETIME_S,
    };
    this.overlay.store(spec, now, (result, at) => {
      if (!result.ok) this.logger.debug('number not stored', { err: result.error.message });
      done(result.ok, at);
    });
  }

  private jittered(ms: number): number {
    return ms * (0.75 + this.random.float() / 2);
  }
}
