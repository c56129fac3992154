import test from 'ava';
import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  FORWARDING_FLAGS,
  WHOLE_MESSAGE_FRAGMENT,
  decodeForwardingHeader,
  encodeForwardingHeader,
  rewriteHeader,
} from '../../../src/reload/index.ts';
import type { Destination, ForwardingHeader } from '../../../src/reload/index.ts';

const NODE: Destination = { type: 'node', nodeId: '545e0a773ec48f4a1de91ffd4232f9ed' };
const RESOURCE: Destination = { type: 'resource', resourceId: '6df379fb05075b13ada5f9d9ae9fbaa0' };
const HEADER: ForwardingHeader = {
  overlay: 0x9aa32b8d,
  configurationSequence: 7,
  ttl: 100,
  fragment: WHOLE_MESSAGE_FRAGMENT,
  transactionId: 1n,
  maxResponseLength: 0,
  viaList: [NODE],
  destinationList: [NODE, RESOURCE],
  options: [{ type: 1, flags: FORWARDING_FLAGS.responseCopy, value: fromHex('6f7074') }],
};
/** No message contents: a forwarding peer must not look at them. */
const PAYLOAD = fromHex('deadbeef');

function message(header: ForwardingHeader): Uint8Array {
  return concatBytes(encodeForwardingHeader(header, PAYLOAD.length), PAYLOAD);
}

test('a forwarded message has its new lists and the same payload, which nobody read', (t) => {
  const changes = { ttl: 99, viaList: [NODE, NODE], destinationList: [RESOURCE] };
  t.is(toHex(rewriteHeader(message(HEADER), changes)), toHex(message({ ...HEADER, ...changes })));
});

test('each change alone leaves the other fields as they were', (t) => {
  const all: Partial<ForwardingHeader>[] = [
    { ttl: 0 },
    { configurationSequence: 65535 },
    { fragment: 0x80000400 },
    { viaList: [] },
    { destinationList: [{ type: 'opaque', opaqueId: fromHex('8abc'), compact: true }, RESOURCE] },
    { options: [] },
    {},
  ];
  for (const changes of all) t.deepEqual(rewriteHeader(message(HEADER), changes), message({ ...HEADER, ...changes }));
});

test('lists that are not changed are copied even when their types are not known here', (t) => {
  const header: ForwardingHeader = { ...HEADER, viaList: [{ type: 'unknown', code: 9, data: fromHex('aa') }] };
  t.deepEqual(rewriteHeader(message(header), { ttl: 3 }), message({ ...header, ttl: 3 }));
});

test('a Resource-ID in a Via List, or before the end of a Destination List, is refused both ways', (t) => {
  t.throws(() => message({ ...HEADER, viaList: [RESOURCE] }), { instanceOf: RangeError });
  t.throws(() => message({ ...HEADER, destinationList: [RESOURCE, NODE] }), { instanceOf: RangeError });
  const bytes = message({ ...HEADER, viaList: [], destinationList: [NODE, RESOURCE] });
  const swapped = bytes.slice();
  swapped.set(bytes.subarray(38 + 18, 38 + 18 + 19), 38);
  swapped.set(bytes.subarray(38, 38 + 18), 38 + 19);
  const error = t.throws(() => decodeForwardingHeader(swapped), { instanceOf: MalformedMessageError });
  t.is(error.offset, 38);
  const via = bytes.slice();
  new DataView(via.buffer).setUint32(32, 37 << 16);
  t.throws(() => decodeForwardingHeader(via), { instanceOf: MalformedMessageError });
});

test('a list whose length cuts an element in two is refused', (t) => {
  const bytes = message(HEADER);
  new DataView(bytes.buffer).setUint16(32, 17);
  t.throws(() => decodeForwardingHeader(bytes), { instanceOf: MalformedMessageError });
});

test('lists that reach beyond the message are refused by hops too', (t) => {
  const bytes = message(HEADER);
  new DataView(bytes.buffer).setUint16(36, 0xffff);
  t.throws(() => decodeForwardingHeader(bytes), { instanceOf: MalformedMessageError });
  t.throws(() => rewriteHeader(bytes, { ttl: 1 }), { instanceOf: MalformedMessageError });
});

test('a Destination List longer than any route is refused', (t) => {
  const compact: Destination = { type: 'opaque', opaqueId: fromHex('8abc'), compact: true };
  const list = (count: number) => message({ ...HEADER, destinationList: new Array<Destination>(count).fill(compact) });
  t.is(decodeForwardingHeader(list(512)).destinationList.length, 512);
  t.throws(() => decodeForwardingHeader(list(513)), { instanceOf: MalformedMessageError });
});

test('changes that do not fit their fields are refused', (t) => {
  const bytes = message(HEADER);
  for (const changes of [{ ttl: 256 }, { ttl: -1 }, { ttl: 1.5 }, { configurationSequence: 65536 }, { fragment: 0 }])
    t.throws(() => rewriteHeader(bytes, changes), { instanceOf: RangeError });
  t.throws(() => rewriteHeader(bytes, { viaList: new Array<Destination>(4000).fill(NODE) }), {
    instanceOf: RangeError,
  });
});
