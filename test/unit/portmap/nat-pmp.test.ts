import test from 'ava';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { decodeNatPmpAnswer, encodeAddressRequest, encodeMappingRequest } from '../../../src/portmap/nat-pmp.ts';

// The answers are miniupnpd's (Debian's 2.3.1-1); tshark names the requests as their functions are named.
const ADDRESS = '00800000000000092c800001';
const MAPPED = '008100000000000917c417c400000e10';
const REMOVED = '008100000000001017c4000000000000';

test('requests are written as RFC 6886 s3.2 to s3.4 draw them', (t) => {
  t.is(toHex(encodeAddressRequest()), '0000');
  const ports = { internalPort: 6084, externalPort: 6084 };
  t.is(toHex(encodeMappingRequest({ ...ports, lifetimeS: 3_600 })), '0001000017c417c400000e10');
  t.is(toHex(encodeMappingRequest({ internalPort: 6084, externalPort: 0, lifetimeS: 0 })), '0001000017c4000000000000');
});

test('the address, a mapping, and one that is taken away are read', (t) => {
  t.deepEqual(decodeNatPmpAnswer(fromHex(ADDRESS)), { type: 'address', epochS: 9, address: '44.128.0.1' });
  const mapping = { type: 'mapping' as const, internalPort: 6084 };
  t.deepEqual(decodeNatPmpAnswer(fromHex(MAPPED)), { ...mapping, epochS: 9, externalPort: 6084, lifetimeS: 3_600 });
  t.deepEqual(decodeNatPmpAnswer(fromHex(REMOVED)), { ...mapping, epochS: 16, externalPort: 0, lifetimeS: 0 });
});

test('an error is read whatever follows it', (t) => {
  t.deepEqual(decodeNatPmpAnswer(fromHex('0081000200000009')), { type: 'error', to: 'mapping', result: 2 });
  t.deepEqual(decodeNatPmpAnswer(fromHex('00800003')), { type: 'error', to: 'address', result: 3 });
});

test('requests, other versions, cut answers and longer ones are malformed', (t) => {
  for (const hex of ['', '00', '0000', '02800000', '0082000000000009', ADDRESS.slice(0, -2), `${MAPPED}00`])
    t.throws(() => decodeNatPmpAnswer(fromHex(hex)), { instanceOf: MalformedMessageError });
});
