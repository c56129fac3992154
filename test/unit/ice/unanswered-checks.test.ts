import test from 'ava';
import type { Candidate } from '../../../src/base/candidate.ts';
import { MAX_REMOTES_COUNTED, UNANSWERED_CHECKS } from '../../../src/ice/constants.ts';
import { UnansweredChecks } from '../../../src/ice/unanswered-checks.ts';

const { addressBurst, addressPerSecond, burst } = UNANSWERED_CHECKS;

const candidate = (number: number): Candidate => ({
  type: 'host',
  address: { address: `192.0.2.${number}`, port: 6084 },
  priority: 1,
  foundation: '1',
});

/** How many checks may go there at once. */
function allowance(checks: UnansweredChecks, to: Candidate, now: number): number {
  let count = 0;
  while (count < burst && checks.take(to, now)) count += 1;
  return count;
}

test('an address gets its burst once, tidied or not, and all of it again when that is long ago', (t) => {
  const checks = new UnansweredChecks();
  t.is(allowance(checks, candidate(1), 0), addressBurst);
  checks.tidy(1_000);
  t.is(allowance(checks, candidate(1), 1_000), addressPerSecond);
  const later = 1_000 + (burst / addressPerSecond) * 1_000;
  checks.tidy(later);
  t.is(allowance(checks, candidate(1), later), addressBurst);
});

test('whoever has answered is asked without a bound, as long as not too many others have since', (t) => {
  const checks = new UnansweredChecks();
  for (let number = 0; number <= MAX_REMOTES_COUNTED; number++) checks.answeredBy(candidate(number).address);
  checks.tidy(0);
  t.is(allowance(checks, candidate(0), 0), addressBurst);
  t.is(allowance(checks, candidate(1), 0), burst);
  checks.answeredBy(candidate(1).address);
  checks.answeredBy(candidate(0).address);
  t.is(allowance(checks, candidate(1), 0), burst);
  t.is(allowance(checks, candidate(2), 0), addressBurst);
});
