import test from 'ava';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import type { DataPlane } from '../../../src/native/data-plane.ts';
import { Association } from '../../../src/link/association.ts';
import { MAX_BOUND_REMOTES } from '../../../src/link/constants.ts';
import { RemoteIndex } from '../../../src/link/remote-index.ts';

const remote = (number: number): SocketAddress => ({ address: '203.0.113.1', port: 1_000 + number });
const dataPlane = { bindRemote: () => {}, unbindRemote: () => {} } as unknown as DataPlane;

function associations(index: RemoteIndex<Association>, count: number): Association[] {
  const options = { role: 'client', origin: 'dialed', hit: undefined, startedAt: 0 } as const;
  return Array.from({ length: count }, (_, i) => new Association({ dataPlane, index }, { ...options, link: i + 1 }));
}

test('of two associations at one address the older comes first, whoever was bound first', (t) => {
  const index = new RemoteIndex<Association>();
  const [first, second] = associations(index, 2);
  second?.bind(remote(0), 0);
  first?.bind(remote(0), 0);
  first?.bind(remote(0), 0);
  t.deepEqual(
    index.at(remote(0)).map(({ link }) => link),
    [1, 2],
  );
  first?.release();
  t.deepEqual(
    index.at(remote(0)).map(({ link }) => link),
    [2],
  );
});

test('an address that an association lets go, or that it had at its end, is free', (t) => {
  const index = new RemoteIndex<Association>();
  const [association] = associations(index, 1);
  for (let i = 0; i <= MAX_BOUND_REMOTES; i++) association?.bind(remote(i), 0);
  t.deepEqual(index.at(remote(0)), []);
  t.is(index.at(remote(1)).length, 1);
  association?.release();
  for (let i = 0; i <= MAX_BOUND_REMOTES; i++) t.deepEqual(index.at(remote(i)), []);
});
