import test from 'ava';
import { Host, connect } from './support/host.ts';
import { Relay } from './support/relay.ts';

/** Short: a sign of life is due at the next tick of a quarter of a second. */
const KEEPALIVE_MS = 16;

test('on a resting link signs of life pass, and JavaScript hears nothing of them', async (t) => {
  const [client, server] = [await Host.start({ keepaliveMs: KEEPALIVE_MS }), await Host.start()];
  const { clientLink } = await connect(client, server);
  client.plane.rest(clientLink);
  await client.reached('keepalivesSent', 3);
  await server.reached('echoesAnswered', 3);
  t.deepEqual([client.events, server.events], [[], []]);
  client.plane.close();
  server.plane.close();
});

test('a resting link whose peer is gone is stirred after three requests without an answer', async (t) => {
  const [client, server] = [await Host.start({ keepaliveMs: KEEPALIVE_MS }), await Host.start()];
  const relay = await Relay.open(client.plane.port, server.plane.port);
  const { clientLink } = await connect(client, server, { client: relay.serverSide, server: relay.clientSide });
  relay.treatment = () => [];
  const before = performance.now();
  client.plane.rest(clientLink);
  const stirred = await client.next('stirred');
  t.is(stirred.link, clientLink);
  t.is(stirred.cause, 'silence');
  t.true(stirred.heardAt >= before - 1 && stirred.heardAt < performance.now());
  t.is(client.counter('keepalivesSent'), 3);
  relay.close();
  client.plane.close();
  server.plane.close();
});
