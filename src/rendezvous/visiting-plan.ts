import type { Urgency } from './meeting-place.ts';

interface Step {
  /** Up to this long after the start. */
  readonly until: number;
  readonly everyMs: number;
  /** No more often than this for each that is attended: many are visited as seldom as is bearable for the place. */
  readonly eachMs?: number;
}

/**
 * Both sides have to send at about the same time, and each sends for 15 s after it has seen the other: whoever arrives looks
 * every few seconds, whoever waits often enough while somebody is likely to come, who is then met within ten seconds.
 */
const PLANS: Readonly<Record<Urgency, readonly Step[]>> = {
  arrive: [
    { until: 60_000, everyMs: 5_000 },
    { until: 600_000, everyMs: 15_000 },
    { until: Infinity, everyMs: 60_000 },
  ],
  wait: [
    { until: 300_000, everyMs: 5_000 },
    { until: 3_600_000, everyMs: 7_000, eachMs: 500 },
    { until: Infinity, everyMs: 120_000 },
  ],
  keep: [{ until: Infinity, everyMs: 30_000 }],
  // Two rings are to be one within five minutes of contact, with the spread of a visit and the way in.
  miss: [{ until: Infinity, everyMs: 240_000 }],
  // Mainline's nodes forget an announcement after about half an hour.
  watch: [{ until: Infinity, everyMs: 600_000 }],
};

/**
 * The pause after a visit that was `sinceMs` after the start.
 * @param attended how many topics are
 */
export function pauseAfter(urgency: Urgency, sinceMs: number, attended: number): number {
  const { everyMs = 60_000, eachMs = 0 } = PLANS[urgency].find(({ until }) => sinceMs < until) ?? {};
  return Math.max(everyMs, eachMs * attended);
}
