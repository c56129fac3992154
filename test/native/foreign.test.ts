import test from 'ava';
import { Host } from './support/host.ts';
import { openSocket, receiveOne } from './support/relay.ts';

const QUERY = Buffer.from('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe');

test('a bencoded datagram of a stranger comes up whole, and one of ours leaves from the same port', async (t) => {
  const [host, socket] = [await Host.start(), await openSocket('127.0.0.1')];
  socket.send(QUERY, host.plane.port, '127.0.0.1');
  const event = await host.next('foreign');
  t.deepEqual(Buffer.from(event.data), QUERY);
  t.deepEqual(event.remote, { address: '127.0.0.1', port: socket.address().port });
  const answer = receiveOne(socket);
  host.plane.sendDatagram(null, event.remote, QUERY);
  t.deepEqual(Buffer.from(await answer), QUERY);
  t.is(host.counter('foreignReceived'), 1);
  t.is(host.counter('foreignSent'), 1);
  t.is(host.counter('stunSent'), 0);
  socket.close();
  host.plane.close();
});

test('a flood of bencoded datagrams, and one larger than an Ethernet packet, is dropped and counted', async (t) => {
  const [host, socket] = [await Host.start(), await openSocket('127.0.0.1')];
  socket.send(Buffer.concat([QUERY, Buffer.alloc(1_500)]), host.plane.port, '127.0.0.1');
  await host.reached('dropForeignFlood', 1);
  t.is(host.counter('eventsQueued'), 0);
  // 64 in a second of one address; two seconds may begin while these are sent.
  for (let i = 0; i < 400; i++) {
    socket.send(QUERY, host.plane.port, '127.0.0.1');
    if (i % 20 === 19) await host.reached('foreignReceived', i + 2);
  }
  await host.reached('foreignReceived', 401);
  const up = host.counter('eventsQueued');
  t.true(up >= 64 && up <= 192, `${up} came up`);
  t.is(host.counter('dropForeignFlood'), 401 - up);
  socket.close();
  host.plane.close();
});
