import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import { MAPPING_DOUBT_MS, MAX_REFLEXIVES, REFLEXIVE_WORD_MS } from './constants.ts';

/** What one server, by its address, has told of one of our addresses. */
interface Voice {
  /** Asked, and not answered. */
  open: boolean;
  /** When it told another mapping than before, last. */
  changedAt: number;
  /** When it told the same as before, last, without a change lately. */
  confirmedAt: number;
}

/**
 * Whether the NAT has given one of our addresses another mapping, as after its restart. What one server tells is not proven:
 * it may lie, and a NAT may have forgotten the one mapping towards it. So two have to tell another mapping than before, or
 * one whom none of the others that are asked contradicts within `MAPPING_DOUBT_MS`.
 */
export class MappingWatch implements Timed {
  private readonly bases = new Map<string, Map<string, Voice>>();
  private readonly decideAt = new Map<string, number>();
  private moved: { readonly base: string; readonly at: number }[] = [];

  asked(base: string, server: string): void {
    this.voice(base, server).open = true;
  }

  /** @param what undefined: it was asked for the first time, which says nothing. */
  told(base: string, server: string, what: 'changed' | 'same' | undefined, now: number): void {
    const voice = this.voice(base, server);
    voice.open = false;
    if (what === 'changed') {
      voice.changedAt = now;
      this.decideAt.set(base, now + MAPPING_DOUBT_MS);
    } else if (what === 'same' && !hasChangedLately(voice, now)) voice.confirmedAt = now;
    this.consider(base, now);
  }

  /** Addresses that are not ours any more. */
  forget(base: string): void {
    this.bases.delete(base);
    this.decideAt.delete(base);
  }

  /** A base that has another mapping since `at`. */
  poll(): { readonly base: string; readonly at: number } | undefined {
    return this.moved.shift();
  }

  nextTimeout(): number | undefined {
    return earliest(...this.decideAt.values());
  }

  handleTimeout(now: number): void {
    for (const base of [...this.decideAt.keys()]) this.consider(base, now);
  }

  private consider(base: string, now: number): void {
    const decideAt = this.decideAt.get(base);
    if (decideAt === undefined) return;
    const voices = [...(this.bases.get(base)?.values() ?? [])];
    const changes = voices.filter((voice) => hasChangedLately(voice, now)).map(({ changedAt }) => changedAt);
    const first = Math.min(...changes);
    const contradicted = voices.some((voice) => {
      return !hasChangedLately(voice, now) && voice.confirmedAt >= first - MAPPING_DOUBT_MS;
    });
    const waits = now < decideAt && voices.some(({ open }) => open);
    if (changes.length < 2 && !contradicted && waits) return;
    this.decideAt.delete(base);
    if (changes.length < 2 && contradicted) return;
    this.moved.push({ base, at: Math.max(...changes) });
    this.bases.delete(base);
  }

  private voice(base: string, server: string): Voice {
    let voices = this.bases.get(base);
    if (voices === undefined) this.bases.set(base, (voices = new Map<string, Voice>()));
    let voice = voices.get(server);
    if (voice === undefined) {
      voice = { open: false, changedAt: -Infinity, confirmedAt: -Infinity };
      voices.set(server, voice);
      const [oldest] = voices.keys();
      if (voices.size > MAX_REFLEXIVES && oldest !== undefined) voices.delete(oldest);
    }
    return voice;
  }
}

function hasChangedLately({ changedAt }: Voice, now: number): boolean {
  return now < changedAt + REFLEXIVE_WORD_MS;
}
