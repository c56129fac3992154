import test from 'ava';
import { contactPreferences } from '../../../../src/sip/usage/contact-preferences.ts';

test('methods become a predicate of RFC 3840, once each', (t) => {
  t.is(contactPreferences([]), '');
  t.is(contactPreferences(['INVITE']), '(sip.methods=INVITE)');
  t.is(contactPreferences(['INVITE', 'BYE', 'INVITE']), '(|(sip.methods=INVITE)(sip.methods=BYE))');
});

test('more than a record has room for is left out', (t) => {
  t.is(contactPreferences(Array.from({ length: 16 }, (_, i) => 'M'.repeat(20 + i))), '');
});
