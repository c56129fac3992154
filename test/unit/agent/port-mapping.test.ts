import test from 'ava';
import { Guard } from '../../../src/agent/guard.ts';
import { PortMapping } from '../../../src/agent/port-mapping.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Uplink } from '../../../src/portmap/port-mapper.ts';

function make(uplink: () => Uplink | undefined): { mapping: PortMapping; guard: Guard } {
  const guard = new Guard({ logger: silentLogger });
  const nonceFor = (): Uint8Array => new Uint8Array(12);
  return { mapping: new PortMapping({ logger: silentLogger, guard }, { port: 6084, nonceFor, uplink }), guard };
}

test.serial('without a router it is known at once that there is none', async (t) => {
  const { mapping } = make(() => undefined);
  const seen: (string | undefined)[] = [];
  mapping.onChange(({ why }) => seen.push(why));
  mapping.refresh();
  await mapping.settled(60_000);
  t.deepEqual(seen, ['this host has no IPv4 router']);
  await mapping.close();
});

test.serial('an address that has gone before it is bound is no error, and the next network is taken up', async (t) => {
  let uplink: Uplink | undefined = { gateway: '192.0.2.1', local: '192.0.2.9' };
  const { mapping, guard } = make(() => uplink);
  mapping.refresh();
  t.is(mapping.mapping.why, 'not needed: this host has a public address');
  uplink = { gateway: '10.255.255.1', local: '10.255.255.9' };
  mapping.refresh();
  t.is(mapping.mapping.state, 'asking');
  await new Promise((resolve) => setImmediate(resolve));
  uplink = undefined;
  mapping.refresh();
  t.is(mapping.mapping.state, 'none');
  await mapping.close();
  t.is(guard.count, 0);
});

test.serial('whoever waits for the first answer is let go when it is stopped', async (t) => {
  const { mapping } = make(() => ({ gateway: '127.0.0.1', local: '127.0.0.9' }));
  mapping.refresh();
  t.is(mapping.mapping.state, 'asking');
  const waiting = mapping.settled(60_000);
  await mapping.close();
  await waiting;
  await t.notThrowsAsync(mapping.close(), 'closed twice');
});

test.serial('a change of network while it is closed opens nothing any more', async (t) => {
  const sockets = (): number => process.getActiveResourcesInfo().filter((what) => what === 'UDPWrap').length;
  const { mapping } = make(() => ({ gateway: '127.0.0.1', local: '127.0.0.9' }));
  mapping.refresh();
  t.true(sockets() > 0, 'sockets are seen');
  const closing = mapping.close();
  mapping.refresh();
  await closing;
  mapping.refresh();
  await new Promise((resolve) => setImmediate(resolve));
  t.is(sockets(), 0);
});
