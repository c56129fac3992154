import test from 'ava';
import { ForwardMemory } from '../../../src/overlay/forward-memory.ts';

const REQUEST = { from: 'asker', message: Uint8Array.of(1) };

test('the hops that a request took are remembered, of the latest 256 requests', (t) => {
  const memory = new ForwardMemory();
  for (let i = 0n; i < 300n; i++) memory.remember(i, `hop ${i.toString()}`, REQUEST, 0);
  memory.remember(299n, 'another', REQUEST, 0);
  t.deepEqual([...(memory.tried(299n) ?? [])], ['hop 299', 'another']);
  t.deepEqual([...(memory.tried(44n) ?? [])], ['hop 44']);
  t.is(memory.tried(43n), undefined);
});

test('what went to a hop last can go another way, as long as its sender waits', (t) => {
  const memory = new ForwardMemory();
  const [first, second] = [1, 2].map((i) => ({ from: 'asker', message: Uint8Array.of(i) }));
  memory.remember(1n, 'dead', first ?? REQUEST, 0);
  memory.remember(2n, 'dead', second ?? REQUEST, 0);
  memory.remember(2n, 'alive', second ?? REQUEST, 10);
  t.deepEqual(
    memory.lastSentTo('dead', 1_000).map(({ message }) => [...message]),
    [[1]],
  );
  t.deepEqual(memory.lastSentTo('dead', 15_000), []);
});
