import { testProp, fc } from '@fast-check/ava';
import test from 'ava';
import { ByteWriter, concatBytes } from '../../../src/base/bytes.ts';
import {
  ERROR_CODES,
  FORWARDING_FLAGS,
  type MessageBody,
  contentsOf,
  encodeContents,
  encodeForwardingHeader,
  encodeSecurityBlock,
  messageSignatureInput,
  signerIdentityBytes,
} from '../../../src/reload/index.ts';
import { RawMember, rawPair } from '../../sim/overlay/raw-member.ts';

const PING = { type: 'ping_req' as const, padding: new Uint8Array() };

function errorOf(bodies: readonly MessageBody[]): number | undefined {
  const [body] = bodies;
  return bodies.length === 1 && body?.type === 'error' ? body.code : undefined;
}

test('a signed request is answered', (t) => {
  const { raw } = rawPair();
  t.is(raw.send(PING)[0]?.type, 'ping_ans');
});

test('the wildcard Node-ID is whoever gets it', (t) => {
  const { raw } = rawPair();
  t.is(raw.send(PING, { destinationList: [{ type: 'node', nodeId: 'f'.repeat(32) }] })[0]?.type, 'ping_ans');
});

test('a changed message, another signer in the via list and an unknown certificate get no answer', (t) => {
  const { raw, node, world } = rawPair();
  const header = raw.header();
  const payload = raw.signing.seal(header.transactionId, PING);
  t.deepEqual(raw.sendPayload({ ...header, transactionId: header.transactionId + 1n }, payload), []);
  t.deepEqual(raw.send(PING, { viaList: [{ type: 'node', nodeId: node.id }] }), []);
  const bad = payload.slice();
  bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1;
  t.deepEqual(raw.sendPayload(header, bad), []);
  t.is(node.overlay.snapshot(world.now).counters.unproven, 3);
});

test('a request for stored values is refused under an older and under a newer configuration', (t) => {
  const { raw } = rawPair();
  const fetch = { type: 'fetch_req' as const, resource: raw.id, specifiers: [] };
  t.is(errorOf(raw.send(fetch, { configurationSequence: 0 })), ERROR_CODES.config_too_old);
  // The first is a Ping that shows our number.
  t.is(errorOf(raw.send(fetch, { configurationSequence: 2 }).slice(1)), ERROR_CODES.config_too_new);
});

test('a node with an older configuration is answered and gets the document, once a minute whatever it sends', (t) => {
  const { raw, node, world } = rawPair();
  node.overlay.setConfiguration(1, Buffer.from('<overlay/>'), world.now);
  const types = (): string[] => raw.send(PING, { configurationSequence: 0 }).map(({ type }) => type);
  t.deepEqual(types(), ['config_update_req', 'ping_ans']);
  raw.send({ type: 'config_update_ans' }, { transactionId: raw.lastTransactionId('config_update_req') });
  for (let i = 0; i < 100; i++) t.deepEqual(types(), ['ping_ans']);
  world.loop.run(60_000);
  t.true(types().includes('config_update_req'));
});

test('a node with a newer configuration is answered and shown our number, for which it sends its document', (t) => {
  const { raw } = rawPair();
  const types = (): string[] => raw.send(PING, { configurationSequence: 2 }).map(({ type }) => type);
  t.deepEqual(types(), ['ping_req', 'ping_ans']);
  for (let i = 0; i < 100; i++) t.deepEqual(types(), ['ping_ans']);
});

test('a flood of pings with an old number brings one document, not one each', (t) => {
  const { raw, node, world } = rawPair();
  node.overlay.setConfiguration(1, new Uint8Array(18_000), world.now);
  for (let i = 0; i < 4_200; i++) raw.send(PING, { configurationSequence: 0 });
  world.loop.run(30_000);
  const documents = raw.received.filter(({ length }) => length > 18_000);
  // Nobody answers it.
  t.is(documents.length, 5);
  t.true(raw.received.length <= 4_200 + 5 + 5, 'one answer each, the Update for the new link and the document');
  t.is(node.overlay.snapshot(world.now).pendingRequests, 0);
});

test('a newer document goes to every linked node that has not shown it', (t) => {
  const { raw, node, world } = rawPair();
  const types = (): string[] => raw.send(PING, { configurationSequence: 2 }).map(({ type }) => type);
  const before = raw.received.length;
  world.run(node, (now) => node.overlay.setConfiguration(2, Buffer.from('<overlay/>'), now));
  world.loop.run(0);
  t.is(raw.received.length, before + 1);
  t.truthy(raw.lastTransactionId('config_update_req'));
  world.run(node, (now) => node.overlay.setConfiguration(3, Buffer.from('<overlay/>'), now));
  t.deepEqual(types(), ['ping_ans']);
});

test('requests of costly kinds are dropped beyond the share of their sender', (t) => {
  const { raw, node, world } = rawPair();
  const join = { type: 'join_req' as const, joiningPeerId: raw.id, overlaySpecificData: new Uint8Array() };
  let answered = 0;
  for (let i = 0; i < 500; i++) if (raw.send(join)[0]?.type === 'join_ans') answered += 1;
  t.is(answered, 4);
  t.is(node.overlay.snapshot(world.now).counters.limited, 496);
  world.loop.run(2_000);
  t.is(raw.send(join)[0]?.type, 'join_ans');
  t.is(raw.send(PING)[0]?.type, 'ping_ans');
});

test('refusals that cost the sender no signature are bounded', (t) => {
  const { raw } = rawPair();
  let refused = 0;
  for (let i = 0; i < 1_000; i++) refused += raw.sendPayload(raw.header({ ttl: 101 }), new Uint8Array([0, 23])).length;
  t.is(refused, 32);
});

test('a request that has come back twice is not passed on again', (t) => {
  const { raw, node, world } = rawPair();
  const elsewhere = new RawMember(world, node);
  const destinationList = [{ type: 'node' as const, nodeId: elsewhere.id }];
  const visit = { type: 'node' as const, nodeId: node.id };
  const origin = { type: 'node' as const, nodeId: raw.id };
  const passed = (viaList: (typeof visit)[]): number => {
    const before = elsewhere.received.length;
    raw.send(PING, { viaList, destinationList });
    return elsewhere.received.length - before;
  };
  t.is(passed([origin, visit]), 1);
  t.is(passed([origin, visit, origin, visit]), 0);
});

test('a TTL above the limit, or none left, is refused', (t) => {
  const { raw, node } = rawPair();
  t.is(errorOf(raw.send(PING, { ttl: 101 })), ERROR_CODES.ttl_exceeded);
  const stranger = { type: 'node' as const, nodeId: `20010022${'7'.repeat(24)}` };
  t.is(errorOf(raw.send(PING, { ttl: 0, destinationList: [stranger] })), ERROR_CODES.ttl_exceeded);
  t.is(raw.send(PING, { ttl: 0 })[0]?.type, 'ping_ans');
  t.is(node.overlay.state, 'joined');
});

test('options that every hop, or the destination, must know are refused', (t) => {
  const { raw } = rawPair();
  for (const flags of [FORWARDING_FLAGS.forwardCritical, FORWARDING_FLAGS.destinationCritical])
    t.is(
      errorOf(raw.send(PING, { options: [{ type: 9, flags, value: new Uint8Array() }] })),
      ERROR_CODES.unsupported_forwarding_option,
    );
  t.is(raw.send(PING, { options: [{ type: 9, flags: 0, value: new Uint8Array() }] })[0]?.type, 'ping_ans');
});

test('a critical extension that is not known is refused', (t) => {
  const { raw } = rawPair();
  t.is(errorOf(sendWithExtension(raw, true)), ERROR_CODES.unknown_extension);
  t.is(sendWithExtension(raw, false)[0]?.type, 'ping_ans');
});

test('an experimental method is refused', (t) => {
  const { raw } = rawPair();
  t.is(errorOf(raw.send({ type: 'exp_a_req', bytes: new Uint8Array() })), ERROR_CODES.invalid_message);
});

test('an answer that would be longer than the requester allows is replaced by an error', (t) => {
  const { raw } = rawPair();
  t.is(errorOf(raw.send(PING, { maxResponseLength: 40 })), ERROR_CODES.response_too_large);
});

test('a message that is larger than the overlay allows is refused', (t) => {
  const { raw } = rawPair();
  t.is(errorOf(raw.send({ type: 'ping_req', padding: new Uint8Array(20_000) })), ERROR_CODES.message_too_large);
});

test('an answer that nobody waits for is dropped', (t) => {
  const { raw, node, world } = rawPair();
  t.deepEqual(raw.send({ type: 'ping_ans', responseId: 1n, time: 1n }), []);
  t.is(node.overlay.snapshot(world.now).counters.undeliverable, 1);
});

testProp('bytes of any kind never make the node throw', [fc.uint8Array({ maxLength: 300 })], (t, bytes) => {
  t.deepEqual(shared.raw.sendBytes(bytes), []);
});

testProp(
  'a message with any one byte changed never makes the node throw',
  [fc.nat({ max: 2000 }), fc.integer({ min: 1, max: 255 })],
  (t, at, change) => {
    const header = shared.raw.header();
    const payload = shared.raw.signing.seal(header.transactionId, PING);
    const message = concatBytes(encodeForwardingHeader(header, payload.length), payload);
    message[at % message.length] = (message[at % message.length] ?? 0) ^ change;
    t.notThrows(() => shared.raw.sendBytes(message));
  },
);

const shared = rawPair();

function sendWithExtension(raw: RawMember, critical: boolean): MessageBody[] {
  const header = raw.header();
  const contents = encodeContents(contentsOf(PING, [{ type: 99, critical, contents: new Uint8Array() }]));
  const signature = raw.signing.signValue((identity) =>
    messageSignatureInput(header.overlay, header.transactionId, contents, signerIdentityBytes(identity)),
  );
  const writer = new ByteWriter();
  writer.bytes(contents);
  const certificates = raw.signing.self.chain.map((certificate) => ({ type: 0, certificate }));
  encodeSecurityBlock(writer, { certificates, signature });
  return raw.sendPayload(header, writer.finish());
}
