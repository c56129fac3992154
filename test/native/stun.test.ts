import test from 'ava';
import { answerBinding } from '../../src/stun/binding-server.ts';
import { decodeStun, encodeStun } from '../../src/stun/codec.ts';
import type { EncodeStunOptions } from '../../src/stun/codec.ts';
import type { StunMessage } from '../../src/stun/message.ts';
import { Host } from './support/host.ts';
import { openSocket, receiveOne } from './support/relay.ts';

function request(attributes: StunMessage['attributes'], options: EncodeStunOptions = { fingerprint: true }): Buffer {
  const transactionId = '0123456789abcdef00112233';
  return Buffer.from(encodeStun({ class: 'request', method: 1, transactionId, attributes }, options));
}

for (const address of ['127.0.0.1', '::1'])
  test(`a Binding request from ${address} is answered as JavaScript would, which does not hear of it`, async (t) => {
    const [host, socket] = [await Host.start(), await openSocket(address)];
    const asked = request({ paddingLength: 64 });
    const answer = receiveOne(socket);
    socket.send(asked, host.plane.port, address);
    const remote = { address, port: socket.address().port };
    t.deepEqual(await answer, answerBinding(decodeStun(asked), remote));
    t.is(host.counter('bindingsAnswered'), 1);
    t.is(host.counter('eventsQueued'), 0);
    socket.close();
    host.plane.close();
  });

test('what asks for more than an address, or would get more bytes than it has, is left to JavaScript', async (t) => {
  const [host, socket] = [await Host.start(), await openSocket()];
  const wrong = request({ paddingLength: 64 });
  wrong[wrong.length - 1] = ~(wrong.at(-1) ?? 0) & 0xff;
  const others = [
    request({}),
    request({ username: 'a:b', paddingLength: 64 }),
    request({ paddingLength: 64 }, { fingerprint: true, key: new Uint8Array(16) }),
    wrong,
    Buffer.concat([request({ paddingLength: 64 }), Buffer.alloc(4)]),
  ];
  for (const other of others) {
    socket.send(other, host.plane.port, '127.0.0.1');
    const event = await host.next('stun');
    t.deepEqual(Buffer.from(event.data), other);
  }
  t.is(host.counter('bindingsAnswered'), 0);
  t.is(host.counter('stunSent'), 0);
  socket.close();
  host.plane.close();
});
