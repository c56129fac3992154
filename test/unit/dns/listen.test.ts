import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { bindUdp, listenOnBoth } from '../../../src/dns/listen.ts';

const ANY = { address: '127.0.0.1', port: 0 };

/** A port that is another program's for TCP, and free for UDP. */
async function takenForTcp(t: ExecutionContext): Promise<number> {
  const taken = createServer().listen(0, ANY.address);
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  return (taken.address() as AddressInfo).port;
}

test('at port 0 another number is taken when TCP has the first one already', async (t) => {
  const port = await takenForTcp(t);
  let asked = 0;
  const { udp, tcp } = await listenOnBoth(ANY, undefined, (listen, fd) => {
    asked += 1;
    return bindUdp(asked < 3 ? { ...listen, port } : listen, fd);
  });
  t.is(asked, 3);
  t.is(udp.address().port, (tcp.address() as AddressInfo).port);
  t.not(udp.address().port, port);
  udp.close();
  tcp.close();
});

test('a port that was asked for and is taken for TCP is refused, and given back for UDP', async (t) => {
  const port = await takenForTcp(t);
  const listen = { ...ANY, port };
  await t.throwsAsync(listenOnBoth(listen, undefined), { code: 'EADDRINUSE' });
  const udp = await bindUdp(listen, undefined);
  t.is(udp.address().port, port);
  udp.close();
});

test('where every number is taken for TCP it ends with that', async (t) => {
  const port = await takenForTcp(t);
  const bind = (listen: typeof ANY): ReturnType<typeof bindUdp> => bindUdp({ ...listen, port }, undefined);
  await t.throwsAsync(listenOnBoth(ANY, undefined, bind), { code: 'EADDRINUSE' });
});
