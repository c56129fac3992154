import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { BindingClient } from '../../../src/stun/binding-client.ts';
import { answerBinding } from '../../../src/stun/binding-server.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { BINDING_PACING_MS, BINDING_RTO_MS, BINDING_TIMEOUT_MS } from '../../../src/stun/constants.ts';
import { encodeErrorResponse } from '../../../src/stun/error-response.ts';
import type { StunMessage } from '../../../src/stun/message.ts';

const LOCAL = { address: '192.168.1.2', port: 6084 };
const SERVER = { address: '198.51.100.1', port: 3478 };
const SEEN_AT: SocketAddress = { address: '2001:db8::7', port: 40000 };

function client(): BindingClient {
  return new BindingClient({ random: seededRandom(1), logger: silentLogger });
}

function sent(from: BindingClient): Uint8Array {
  const transmit = from.pollTransmit();
  if (transmit === undefined) throw new Error('nothing was sent');
  return transmit.data;
}

function request(attributes: StunMessage['attributes']): StunMessage {
  return decodeStun(encodeStun({ class: 'request', method: 1, transactionId: '00'.repeat(12), attributes }));
}

test('a padded request is answered with the address it came from, and by no more bytes than it had', (t) => {
  const asker = client();
  t.true(asker.query(LOCAL, SERVER, 0));
  const data = sent(asker);
  const answer = answerBinding(decodeStun(data), SEEN_AT);
  t.truthy(answer);
  if (answer === undefined) return;
  t.true(answer.length <= data.length);
  t.true(asker.receive(decodeStun(answer), LOCAL, SERVER, 30));
  t.deepEqual(asker.pollEvent(), { type: 'mapped', local: LOCAL, server: SERVER, mapped: SEEN_AT, rttMs: 30 });
  t.is(asker.nextTimeout(), undefined);
});

test('a request that is shorter than its answer gets none', (t) => {
  t.is(answerBinding(request({}), SEEN_AT), undefined);
  t.is(encodeErrorResponse(request({ username: 'a' }), 401), undefined);
});

test('by a stream, whose asker is where it says, a short request gets its answer too', (t) => {
  const answer = answerBinding(request({}), SEEN_AT, true);
  t.deepEqual(answer && decodeStun(answer).attributes.xorMappedAddress, SEEN_AT);
});

test('requests with a USERNAME belong to ICE and are not answered here', (t) => {
  t.is(answerBinding(request({ username: 'a:b', paddingLength: 100 }), SEEN_AT), undefined);
});

test('a request with an attribute that must be understood and is not gets 420', (t) => {
  const unknown = { ...request({ paddingLength: 100 }), unknownRequired: [0x7f00] };
  const answer = answerBinding(unknown, SEEN_AT);
  t.truthy(answer);
  if (answer === undefined) return;
  const { attributes } = decodeStun(answer);
  t.is(attributes.errorCode?.code, 420);
  t.deepEqual(attributes.unknownAttributes, [0x7f00]);
});

test('a question that somebody waits for is repeated without longer pauses, also when it had begun without haste', (t) => {
  for (const beginsEagerly of [true, false]) {
    const asker = client();
    asker.query(LOCAL, SERVER, 0, beginsEagerly);
    if (!beginsEagerly) t.false(asker.query(LOCAL, SERVER, 1_000, true));
    const times: number[] = [];
    for (let now = 0; asker.nextTimeout() !== undefined; now = asker.nextTimeout() ?? now) {
      asker.handleTimeout(now);
      while (asker.pollTransmit() !== undefined) times.push(now);
    }
    const pauses = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    t.true(pauses.length > 100 && pauses.every((pause) => pause <= 400));
    t.is(asker.pollEvent()?.type, 'failed');
  }
});

test('a server that does not know PADDING is asked again without it', (t) => {
  const asker = client();
  asker.query(LOCAL, SERVER, 0);
  const first = decodeStun(sent(asker));
  const refusal: StunMessage = {
    class: 'error',
    method: 1,
    transactionId: first.transactionId,
    attributes: { errorCode: { code: 420, reason: 'Unknown Attribute' }, unknownAttributes: [0x0026] },
  };
  t.true(asker.receive(refusal, LOCAL, SERVER, 10));
  const second = decodeStun(sent(asker));
  t.is(second.attributes.paddingLength, undefined);
  t.not(second.transactionId, first.transactionId);
  t.false(asker.hasTransaction(first.transactionId));
  t.true(asker.hasTransaction(second.transactionId));
});

test('a silent server is asked again at growing intervals and then given up', (t) => {
  const asker = client();
  asker.query(LOCAL, SERVER, 0);
  const times: number[] = [0];
  t.truthy(asker.pollTransmit());
  for (let at = asker.nextTimeout(); at !== undefined; at = asker.nextTimeout()) {
    asker.handleTimeout(at);
    if (asker.pollTransmit() !== undefined) times.push(at);
  }
  t.deepEqual(times, [0, BINDING_RTO_MS, 3 * BINDING_RTO_MS, 7 * BINDING_RTO_MS, 15 * BINDING_RTO_MS]);
  t.deepEqual(asker.pollEvent(), { type: 'failed', local: LOCAL, server: SERVER, reason: 'timeout' });
  t.true((times.at(-1) ?? 0) < BINDING_TIMEOUT_MS);
});

test('queries start one pacing interval apart, each pair of local address and server once', (t) => {
  const asker = client();
  const other = { address: '192.168.2.2', port: 6084 };
  t.true(asker.query(LOCAL, SERVER, 0));
  t.false(asker.query(LOCAL, SERVER, 0));
  t.true(asker.query(other, SERVER, 0));
  t.deepEqual(asker.pollTransmit()?.local, LOCAL);
  t.is(asker.pollTransmit(), undefined);
  t.is(asker.nextTimeout(), BINDING_PACING_MS);
  asker.handleTimeout(BINDING_PACING_MS);
  t.deepEqual(asker.pollTransmit()?.local, other);
});

test('an answer from another address than the server is not taken', (t) => {
  const asker = client();
  asker.query(LOCAL, SERVER, 0);
  const answer = answerBinding(decodeStun(sent(asker)), SEEN_AT);
  t.truthy(answer);
  if (answer === undefined) return;
  t.false(asker.receive(decodeStun(answer), LOCAL, { address: '203.0.113.9', port: 3478 }, 5));
  t.is(asker.pollEvent(), undefined);
});
