import test from 'ava';
import fc from 'fast-check';
import { assignableNumber, dialledNumber, isE164, readNumber } from '../../../src/sip/numbers.ts';

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

test('a number that a member may have is one of the world; numbers for help are none, with a country in front either', (t) => {
  t.deepEqual(assignableNumber('030 1234567', GERMANY), { number: '+49301234567', isEmergency: false });
  t.is(assignableNumber('tel:+49-30-1234567', {})?.number, '+49301234567');
  for (const text of ['bob', '100', '*21', '0301234567', '+4930', '+', '', '+1234567890123456', '0049112'])
    t.is(assignableNumber(text, {}), undefined, text);
  for (const text of ['112', '110', '911', '+49112', '+49110', '+1911', '+44999', 'tel:112'])
    t.true(assignableNumber(text, GERMANY)?.isEmergency, text);
  t.true(assignableNumber('19222', { country: 'DE', emergency: ['19222'] })?.isEmergency);
});

test('however a number is written, it is one, and its own E.164 form is read as itself', (t) => {
  const separators = fc.array(fc.constantFrom('', ' ', '-', '.'), {
    minLength: 11,
    maxLength: 11,
  });
  const national = fc.integer({ min: 2_000_000, max: 9_999_999 }).map((digits) => `30${digits}`);
  fc.assert(
    fc.property(national, separators, fc.constantFrom('+49', '0049', '0'), (digits, marks, prefix) => {
      const written =
        prefix +
        Array.from(digits)
          .map((digit, i) => digit + (marks[i] ?? ''))
          .join('');
      const number = assignableNumber(written, GERMANY)?.number;
      t.is(number, `+49${digits}`, written);
      t.is(dialledNumber(`tel:${written.replaceAll(' ', '')}`, GERMANY)?.number, number);
      t.is(assignableNumber(number ?? '', {})?.number, number);
    }),
  );
});

test('whatever is written, what a member may have is E.164, reads as itself in each country, and is no number for help', (t) => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^\+?[0-9 ().-]{0,18}$/),
      fc.constantFrom('DE', 'US', 'FR', undefined),
      (text, country) => {
        const read = assignableNumber(text, { country });
        if (read === undefined || read.isEmergency) return true;
        const { number } = read;
        const again = ['DE', 'US', undefined].map((abroad) => readNumber(number, { country: abroad }));
        return isE164(number) && again.every((other) => other?.number === number && !other.isEmergency);
      },
    ),
    { numRuns: 2_000 },
  );
  t.pass();
});
