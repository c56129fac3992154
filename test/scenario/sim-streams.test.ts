import test, { type ExecutionContext } from 'ava';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { toStreamAddress } from '../../src/base/stream-address.ts';
import { SimNetwork } from '../sim/network/network.ts';
import type { SegmentQuality } from '../sim/network/segment.ts';
import { SimStreams } from '../sim/network/sim-streams.ts';

const SERVER = { address: '203.0.113.1', port: 443 };
const HOME = '10.0.0.2';

/** A client at home and a server in the open; what came is kept with when it came. */
class World {
  readonly network: SimNetwork;
  readonly home;
  readonly host;
  readonly client: SimStreams;
  readonly server: SimStreams;
  readonly remote = toStreamAddress(SERVER);
  readonly atServer: { readonly text: string; readonly from: SocketAddress; readonly at: number }[] = [];
  readonly atClient: string[] = [];

  constructor(t: ExecutionContext, seed: number, internet: SegmentQuality, listen = [SERVER]) {
    t.log(`seed ${seed}`);
    this.network = new SimNetwork(seed, internet);
    const { loop } = this.network;
    this.home = this.network.home('home', '198.51.100.1');
    this.host = this.network.host(this.home.lan, HOME);
    const used = (): boolean => true;
    this.client = new SimStreams(
      { loop, host: this.host, used, deliver: (_, data) => this.atClient.push(Buffer.from(data).toString()) },
      [],
    );
    const host = this.network.host(this.network.internet, SERVER.address);
    const deliver = (from: SocketAddress, data: Uint8Array): void =>
      void this.atServer.push({ text: Buffer.from(data).toString(), from, at: loop.now });
    this.server = new SimStreams({ loop, host, used, deliver }, listen);
  }

  send(text: string): boolean {
    return this.client.send(this.remote, Buffer.from(text));
  }
}

test('a stream takes the round trips of TCP and TLS, and its ends know each other by their addresses outside', (t) => {
  const world = new World(t, 1, { latencyMs: 49 });
  t.false(world.send('nobody has dialed'));
  world.client.dial(world.remote);
  t.true(world.send('hello'));
  world.network.loop.run(1_000);
  // SYN, SYN and ACK, ClientHello, the server's flight, Finished and what was said: 50 ms each, that at home included.
  t.deepEqual(
    world.atServer.map(({ text, at, from }) => [text, Math.round(at), from.port]),
    [['hello', 250, 32_768]],
  );
  t.deepEqual(world.atServer[0]?.from, toStreamAddress({ address: '198.51.100.1', port: 32_768 }));
  t.true(world.server.send(world.atServer[0]?.from ?? SERVER, Buffer.from('answer')));
  world.network.loop.run(51);
  t.deepEqual(world.atClient, ['answer']);
});

for (let seed = 1; seed <= 20; seed++)
  test(`what is lost, repeated and overtaken on its way arrives once and in order (seed ${seed})`, (t) => {
    const world = new World(t, seed, { latencyMs: 10, jitterMs: 30, loss: 0.1, duplicate: 0.05 });
    world.client.dial(world.remote);
    const sent: string[] = [];
    for (let n = 0; n < 500; n++) {
      // Pauses, too: the first one after a pause may be lost.
      world.network.loop.run(n % 50 === 0 ? 2_000 : 10);
      if (world.send(`${n}`)) sent.push(`${n}`);
    }
    world.network.loop.run(60_000);
    t.true(sent.length > 400, `${sent.length} sent`);
    t.deepEqual(
      world.atServer.map(({ text }) => text),
      sent,
    );
    t.is(world.client.begun, 1);
  });

test('a stream whose address is gone is dialed anew with the next datagram, from the new one', (t) => {
  const world = new World(t, 2, { latencyMs: 10 });
  world.client.dial(world.remote);
  world.network.loop.run(1_000);
  world.host.move(world.network.home('other', '198.51.100.2').lan, '10.0.1.2');
  world.client.networkChanged();
  t.is(world.client.count, 0);
  t.true(world.send('here'));
  world.network.loop.run(1_000);
  t.is(world.atServer[0]?.from.address, toStreamAddress({ address: '198.51.100.2', port: 0 }).address);
});

test('where nobody listens a stream ends at once, and is dialed again after a pause that grows', (t) => {
  const world = new World(t, 3, { latencyMs: 10 }, []);
  world.client.dial(world.remote);
  const { loop } = world.network;
  for (let ms = 0; ms < 100_000; ms += 100) {
    world.send('x');
    loop.run(100);
  }
  t.is(world.client.count, 0);
  t.true(world.client.begun >= 4 && world.client.begun <= 8, `${world.client.begun} times`);
});

test('the end of a host that says nothing any more is noticed after fifteen seconds without an acknowledgement', (t) => {
  const world = new World(t, 4, { latencyMs: 10 });
  world.client.dial(world.remote);
  world.send('x');
  world.network.loop.run(1_000);
  world.server.close();
  world.send('y');
  world.network.loop.run(14_000);
  t.is(world.client.count, 1);
  world.network.loop.run(3_000);
  t.is(world.client.count, 0);
});
