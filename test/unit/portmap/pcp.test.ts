import test from 'ava';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { decodePcpAnswer, encodeMapRequest } from '../../../src/portmap/pcp.ts';

// The answers are miniupnpd's (Debian's 2.3.1-1), the request was read by tshark as "Map Request: 6084 -> 6084 [UDP]".
const NONCE = 'f607fab885547c93df084603';
const REQUEST = `0201000000000e1000000000000000000000ffffc0a8010a${NONCE}1100000017c417c400000000000000000000ffff00000000`;
const MAPPED = `0281000000000e1000000004000000000000000000000000${NONCE}1100000017c417c400000000000000000000ffff2c800001`;
const REMOVED = `028100000000000000000007000000000000000000000000${NONCE}1100000017c417c400000000000000000000ffff2c800001`;
const ANNOUNCEMENT = '028000000000000000000000000000000000000000000000';

test('a request for a mapping is written field by field as RFC 6887 s7.1 and s11.1 draw it', (t) => {
  const request = encodeMapRequest({
    client: '192.168.1.10',
    lifetimeS: 3_600,
    nonce: fromHex(NONCE),
    internalPort: 6084,
    suggested: { address: '0.0.0.0', port: 6084 },
  });
  t.is(toHex(request), REQUEST);
});

test('a mapping that is granted, and one that is taken away, are read', (t) => {
  const mapped = {
    ...{ type: 'map' as const, result: 0, lifetimeS: 3_600, epochS: 4, nonce: fromHex(NONCE), internalPort: 6084 },
    external: { address: '44.128.0.1', port: 6084 },
  };
  t.deepEqual(decodePcpAnswer(fromHex(MAPPED)), mapped);
  t.deepEqual(decodePcpAnswer(fromHex(REMOVED)), { ...mapped, lifetimeS: 0, epochS: 7 });
});

test('an announcement, errors short and long, and the answer of a router of NAT-PMP are told apart', (t) => {
  t.deepEqual(decodePcpAnswer(fromHex(ANNOUNCEMENT)), { type: 'announce', epochS: 0 });
  const refused = fromHex(MAPPED);
  refused[3] = 2;
  t.like(decodePcpAnswer(refused), { type: 'map', result: 2 });
  t.deepEqual(decodePcpAnswer(refused.subarray(0, 24)), { type: 'error', result: 2, epochS: 4 });
  t.deepEqual(decodePcpAnswer(fromHex('0081000100000009')), { type: 'otherVersion', version: 0 });
});

test('options behind a mapping are left alone', (t) => {
  t.like(decodePcpAnswer(fromHex(`${MAPPED}01000000`)), { type: 'map', internalPort: 6084 });
});

test('a request, a mapping of TCP, a cut answer, and too long a one are malformed', (t) => {
  const tcp = fromHex(MAPPED);
  tcp[36] = 6;
  const long = new Uint8Array(1_101);
  long.set(fromHex(MAPPED));
  for (const data of [
    fromHex(REQUEST),
    tcp,
    fromHex(MAPPED).subarray(0, 59),
    long,
    new Uint8Array(0),
    Uint8Array.of(2),
  ])
    t.throws(() => decodePcpAnswer(data), { instanceOf: MalformedMessageError });
});
