import test from 'ava';
import { ForwardMemory } from '../../../src/overlay/forward-memory.ts';

test('the last hop of a request is remembered, of the latest 256 requests', (t) => {
  const memory = new ForwardMemory();
  for (let i = 0n; i < 300n; i++) memory.remember(i, `hop ${i.toString()}`);
  t.is(memory.lastHop(299n), 'hop 299');
  t.is(memory.lastHop(44n), 'hop 44');
  t.is(memory.lastHop(43n), undefined);
});
