import type { Hit } from '../base/node-id.ts';

/** A host that is there is linked within this time, most often; after it the next one is asked beside it (cf. RFC 8305 s5). */
const NEXT_AFTER_MS = 1_000;

/** A host to which no link could be made. */
export interface Unanswered {
  readonly hit: Hit;
  /** In words for a person. */
  readonly reason: string;
}

/**
 * Asks hosts for links, one after the other: the next one when one has failed, or has not answered for a while.
 * @returns the first that is linked, undefined: none; and those that have failed by then.
 */
export function firstToAnswer(
  hosts: readonly Hit[],
  ports: {
    /** @param done without a reason: it is linked. */
    readonly link: (hit: Hit, done: (reason?: string) => void) => void;
    readonly after: (ms: number, then: () => void) => void;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly first: Hit | undefined; readonly unanswered: readonly Unanswered[] }> {
  const { link, after, signal } = ports;
  return new Promise((resolve) => {
    const left = [...hosts];
    const unanswered: Unanswered[] = [];
    let over = false;
    const end = (first: Hit | undefined): void => {
      over = true;
      resolve({ first, unanswered: [...unanswered] });
    };
    const askNext = (): void => {
      const hit = over || signal.aborted ? undefined : left.shift();
      if (hit === undefined) return;
      let moved = false;
      const moveOn = (): void => {
        if (!moved) askNext();
        moved = true;
      };
      link(hit, (reason) => {
        if (over) return;
        if (reason === undefined) {
          end(hit);
          return;
        }
        unanswered.push({ hit, reason });
        if (unanswered.length === hosts.length) end(undefined);
        else moveOn();
      });
      after(NEXT_AFTER_MS, moveOn);
    };
    signal.addEventListener('abort', () => end(undefined), { once: true });
    askNext();
  });
}
