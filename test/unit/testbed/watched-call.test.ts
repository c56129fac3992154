import test from 'ava';
import { directionOf, longestSilenceMs, type EndReport } from '../../../scripts/testbed/watched-call.ts';

const SILENT: EndReport = { sentMs: [], heard: [], streamMs: [] };
/** One every 20 ms from 1,000 ms on. */
const SENDER: EndReport = { ...SILENT, sentMs: Array.from({ length: 100 }, (_, i) => 1000 + 20 * i) };
const WINDOW = { fromMs: 1500, toMs: 2500 };

function receiver(numbers: readonly number[], delayMs = 5): EndReport {
  return { ...SILENT, heard: numbers.map((number) => [number, 1000 + 20 * number + delayMs]) };
}

const ALL = [...SENDER.sentMs.keys()];

test('of a stream that comes whole nothing is lost, and its silence is its rhythm', (t) => {
  t.deepEqual(directionOf(SENDER, receiver(ALL), WINDOW), { gapMs: 20, sent: 51, lost: 0, reordered: 0 });
});

test('what is lost in the window counts, before and after it not', (t) => {
  const heard = ALL.filter((number) => number !== 3 && (number < 40 || number >= 45) && number !== 90);
  t.deepEqual(directionOf(SENDER, receiver(heard), WINDOW), { gapMs: 120, sent: 51, lost: 5, reordered: 0 });
});

test('what comes after a later one is out of order, once each', (t) => {
  const { heard } = receiver(ALL);
  const [held] = heard.splice(40, 1);
  heard.splice(43, 0, [held?.[0] ?? 0, 1870]);
  t.is(directionOf(SENDER, { ...SILENT, heard }, WINDOW).reordered, 1);
  t.is(directionOf(SENDER, { ...SILENT, heard }, WINDOW).lost, 0);
});

test('a silence that lasts to the end of the window, or all of it, counts', (t) => {
  t.is(directionOf(SENDER, receiver(ALL.filter((number) => number < 50)), WINDOW).gapMs, 2500 - 1985);
  t.is(longestSilenceMs([], WINDOW), 1000);
});
