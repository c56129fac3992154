import test from 'ava';
import { ByteWriter, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { type SipRegistration, decodeSipRegistration, encodeSipRegistration } from '../../../src/reload/index.ts';
import { NODE_A } from './samples.ts';

function encoded(registration: SipRegistration): string {
  const writer = new ByteWriter();
  encodeSipRegistration(writer, registration);
  return toHex(writer.finish());
}

const ROUTE: SipRegistration = {
  type: 'route',
  contactPrefs: '(sip.schemes=SIP)',
  destinationList: [{ type: 'node', nodeId: NODE_A }],
};
const ROUTE_HEX = `0200270011${Buffer.from('(sip.schemes=SIP)').toString('hex')}00120110${NODE_A}`;
const URI_HEX = `01000b0009${Buffer.from('sam@a.org').toString('hex')}`;

test('a route and another AoR are written as RFC 7904 s3.2 draws them, and read again', (t) => {
  t.is(encoded(ROUTE), ROUTE_HEX);
  t.deepEqual(decodeSipRegistration(fromHex(ROUTE_HEX)), ROUTE);
  t.is(encoded({ type: 'uri', uri: 'sam@a.org' }), URI_HEX);
  t.deepEqual(decodeSipRegistration(fromHex(URI_HEX)), { type: 'uri', uri: 'sam@a.org' });
});

test('a type to come is no registration that is known here', (t) => {
  t.is(decodeSipRegistration(fromHex('030002beef')), undefined);
  t.is(decodeSipRegistration(fromHex('ff0000')), undefined);
});

test('lengths that do not fit, trailing bytes, an empty destination list and text that is not ASCII are refused', (t) => {
  const malformed = {
    empty: '',
    'no data': '02',
    'shorter than it says': '020016000000120110',
    'a byte behind it': `${ROUTE_HEX}00`,
    'a byte within its length that belongs to nothing': `020017000000120110${NODE_A}00`,
    'a byte behind the AoR': '01000400016100',
    'a destination list of no bytes': '0200040000' + '0000',
    'a destination list of two bytes': '02000600000002' + '8001',
    'a destination that is cut off': `020015000000110110${NODE_A.slice(2)}`,
    'preferences longer than the value': '020004ffff0000',
    'a line break in the preferences': `02001700010a00120110${NODE_A}`,
    'text that is not ASCII': '0100030001ff',
  };
  for (const [what, hex] of Object.entries(malformed))
    t.throws(() => decodeSipRegistration(fromHex(hex)), { instanceOf: MalformedMessageError }, what);
});

test('what no reader would take is not written', (t) => {
  t.throws(() => encoded({ ...ROUTE, destinationList: [] }), { instanceOf: RangeError });
  t.throws(() => encoded({ type: 'uri', uri: 'bärbel@a.org' }), { instanceOf: RangeError });
  t.throws(() => encoded({ type: 'uri', uri: 'a'.repeat(0x10000) }), { instanceOf: RangeError });
});
