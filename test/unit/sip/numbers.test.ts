import test from 'ava';
import { dialledNumber, readNumber } from '../../../src/sip/numbers.ts';

const GERMANY = { country: 'DE' };

for (const [uri, number] of [
  ['sip:030123456@home.example', '+4930123456'],
  ['sip:0049(30)123-456@home.example', '+4930123456'],
  ['sip:+4930123456@home.example;user=phone', '+4930123456'],
  ['sip:030123456;phone-context=home.example@home.example', '+4930123456'],
  ['tel:+49-30-123456', '+4930123456'],
  ['tel:123456;phone-context=+4930', '+4930123456'],
  ['sip:100@home.example', '100'],
  ['sip:*21@home.example', '*21'],
] as const)
  test(`${uri} calls ${number}`, (t) => {
    t.deepEqual(dialledNumber(uri, GERMANY), { number, isEmergency: false });
  });

for (const uri of [
  'sip:alice@home.example',
  'sip:home.example',
  'sip:a1@x.example',
  'sip:+@x.example',
  'mailto:1@x',
  `tel:${'9'.repeat(40)}`,
])
  test(`${uri.slice(0, 30)} is no number`, (t) => {
    t.is(dialledNumber(uri, GERMANY), undefined);
  });

test('without a country national numbers stay as they are', (t) => {
  t.is(readNumber('030123456', {})?.number, '030123456');
  t.is(readNumber('030123456', { country: 'XX' })?.number, '030123456');
});

test('numbers for help are known by their digits and by the URN, also those that the owner has named', (t) => {
  for (const uri of ['sip:112@home.example', 'tel:911', 'urn:service:sos', 'urn:service:sos.fire'])
    t.true(dialledNumber(uri, GERMANY)?.isEmergency, uri);
  t.deepEqual(dialledNumber('sip:999@x.example', { emergency: ['999'] }), { number: '999', isEmergency: true });
  t.deepEqual(dialledNumber('urn:service:sos', { emergency: ['999'] }), { number: '999', isEmergency: true });
  t.is(dialledNumber('urn:service:counseling', GERMANY), undefined);
});
