import test from 'ava';
import type { Candidate } from '../../../src/base/candidate.ts';
import { ConnectionTable } from '../../../src/link/connection-table.ts';
import { LateCandidates } from '../../../src/link/late-candidates.ts';

const seenAt = (port: number): Candidate => ({
  type: 'srflx',
  address: { address: '198.51.100.1', port },
  priority: 1,
  foundation: String(port),
});

test('our candidates in another order are nothing that peers are told; another candidate is', (t) => {
  const addresses = { candidates: [seenAt(1), seenAt(2), seenAt(3)] };
  let looked = 0;
  const table = {
    get associations(): [] {
      looked += 1;
      return [];
    },
  };
  const late = new LateCandidates({
    table: table as unknown as ConnectionTable,
    addresses: addresses as never,
    ...{ dataPlane: undefined as never, sessions: undefined as never },
  });
  late.changed(0);
  t.is(looked, 1);
  addresses.candidates = [seenAt(3), seenAt(1), seenAt(2)];
  late.changed(1_000);
  t.is(looked, 1);
  addresses.candidates = [seenAt(3), seenAt(1), seenAt(4)];
  late.changed(2_000);
  t.is(looked, 2);
});
