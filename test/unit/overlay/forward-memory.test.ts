import test from 'ava';
import { ForwardMemory } from '../../../src/overlay/forward-memory.ts';

test('the hops that a request took are remembered, of the latest 256 requests', (t) => {
  const memory = new ForwardMemory();
  for (let i = 0n; i < 300n; i++) memory.remember(i, `hop ${i.toString()}`);
  memory.remember(299n, 'another');
  t.deepEqual([...(memory.tried(299n) ?? [])], ['hop 299', 'another']);
  t.deepEqual([...(memory.tried(44n) ?? [])], ['hop 44']);
  t.is(memory.tried(43n), undefined);
});
