import test from 'ava';
import type { Association } from '../../../src/link/association.ts';
import { bindingServers } from '../../../src/link/binding-servers.ts';
import { MAX_SERVERS_CONSIDERED } from '../../../src/link/constants.ts';
import { MAX_BINDING_SERVERS } from '../../../src/mobility/constants.ts';

interface Looked {
  count: number;
}

/** Links to peers in the open, that are counted as they are looked at. */
const links = (count: number, looked: Looked): Association[] =>
  Array.from({ length: count }, (_, i) => {
    const path = { remote: { address: `203.0.${i >> 8}.${i & 255}`, port: 6084 } };
    return {
      state: 'up',
      get path() {
        looked.count += 1;
        return path;
      },
      ice: { remoteCandidates: [] },
    } as unknown as Association;
  });

test('of a thousand peers that everyone reaches those asked are the first that are enough', (t) => {
  const looked = { count: 0 };
  const servers = bindingServers(links(1_000, looked), () => true);
  t.is(servers.length, MAX_BINDING_SERVERS);
  t.is(looked.count, MAX_BINDING_SERVERS);
});

test('of a thousand peers none of which is reached by the addresses that we have now not all are looked at', (t) => {
  const looked = { count: 0 };
  t.deepEqual(
    bindingServers(links(1_000, looked), () => false),
    [],
  );
  t.true(looked.count <= MAX_SERVERS_CONSIDERED + 1, `${looked.count}`);
});
