import test from 'ava';
import type { Candidate } from '../../../src/base/candidate.ts';
import { LateCandidates } from '../../../src/link/late-candidates.ts';

const seenAt = (port: number): Candidate => ({
  type: 'srflx',
  address: { address: '198.51.100.1', port },
  priority: 1,
  foundation: String(port),
});

test('our candidates in another order are nothing that peers are told; another candidate is', (t) => {
  const addresses = { candidates: [seenAt(1), seenAt(2), seenAt(3)] };
  const late = new LateCandidates({
    addresses: addresses as never,
    ...{ dataPlane: undefined as never, sessions: undefined as never },
  });
  t.true(late.changed());
  addresses.candidates = [seenAt(3), seenAt(1), seenAt(2)];
  t.false(late.changed());
  addresses.candidates = [seenAt(3), seenAt(1), seenAt(4)];
  t.true(late.changed());
});
