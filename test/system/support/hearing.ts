import type { ExecutionContext } from 'ava';
import { eventually } from '../../../scripts/testbed/command.ts';
import type { Pjsua } from '../../../scripts/testbed/phones/pjsua.ts';

/** What a phone records as RTP comes. */
interface Hearing {
  readonly bytesHeard: number;
  loudnessSince(bytesHeard: number): number;
}

const COMES_WITHIN_MS = 20_000;
const LEAST_LOUDNESS = 0.02;
/** A second of the narrowest band: 8,000 samples of 16 bits. */
const LEAST_BYTES = 16_000;

/** Each of them hears speech that begins now: nothing that was heard before counts. @throws {ScriptError} when one does not in time. */
export async function hearFromNowOn(
  label: string,
  phones: readonly Hearing[],
  timeoutMs = COMES_WITHIN_MS,
): Promise<void> {
  const all = phones.map((phone) => ({ phone, from: phone.bytesHeard }));
  await eventually(`${label}: each of ${phones.length} phones hears speech`, timeoutMs, () => {
    const isHeard = all.every(
      ({ phone, from }) => phone.bytesHeard >= from + LEAST_BYTES && phone.loudnessSince(from) > LEAST_LOUDNESS,
    );
    return isHeard || undefined;
  });
}

/** Half a second of speech. */
const LEAST_PACKETS = 25;

/** As PJSIP counts what it receives: to each of them, from now on. @throws {ScriptError} when it does not in time. */
export async function rtpComes(label: string, ...phones: readonly Pjsua[]): Promise<void> {
  for (const phone of phones) {
    const { received } = await phone.packets();
    await eventually(`${label}: RTP comes`, COMES_WITHIN_MS, async () =>
      (await phone.packets()).received >= received + LEAST_PACKETS ? true : undefined,
    );
  }
}

const LOOK_EACH_MS = 10;

/** From now on. @returns ends it: for how long each of them received nothing at a stretch, ms */
export function longestSilence(t: ExecutionContext, phones: readonly Pick<Hearing, 'bytesHeard'>[]): () => number[] {
  const all = phones.map((phone) => ({ phone, bytes: phone.bytesHeard, since: performance.now(), longestMs: 0 }));
  const look = (): void => {
    const now = performance.now();
    for (const one of all) {
      one.longestMs = Math.max(one.longestMs, now - one.since);
      const bytes = one.phone.bytesHeard;
      if (bytes === one.bytes) continue;
      one.bytes = bytes;
      one.since = now;
    }
  };
  const timer = setInterval(look, LOOK_EACH_MS).unref();
  t.teardown(() => clearInterval(timer));
  return () => {
    clearInterval(timer);
    look();
    return all.map(({ longestMs }) => Math.round(longestMs));
  };
}
