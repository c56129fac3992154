import test from 'ava';
import { adaptorPortOf, contactPreferences, withAdaptorPort } from '../../../../src/sip/usage/contact-preferences.ts';

test('methods become a predicate of RFC 3840, once each', (t) => {
  t.is(contactPreferences([]), '');
  t.is(contactPreferences(['INVITE']), '(sip.methods=INVITE)');
  t.is(contactPreferences(['INVITE', 'BYE', 'INVITE']), '(|(sip.methods=INVITE)(sip.methods=BYE))');
});

test('more than a record has room for is left out', (t) => {
  t.is(contactPreferences(Array.from({ length: 16 }, (_, i) => 'M'.repeat(20 + i))), '');
});

test('the port of an adaptor goes along with what its phones take, and is read again', (t) => {
  t.is(withAdaptorPort('', 5070), '(idloc.port=5070)');
  t.is(withAdaptorPort('(sip.methods=INVITE)', 5062), '(&(idloc.port=5062)(sip.methods=INVITE))');
  for (const methods of [[], ['INVITE'], ['INVITE', 'BYE']])
    t.is(adaptorPortOf(withAdaptorPort(contactPreferences(methods), 5070)), 5070);
});

test('a host of an earlier version says no port, and what is none is not taken', (t) => {
  for (const text of [
    '',
    '(sip.methods=INVITE)',
    '(idloc.port=0)',
    '(idloc.port=65536)',
    '(idloc.port=05)',
    '(idloc.port=x)',
  ])
    t.is(adaptorPortOf(text), undefined, text);
});
