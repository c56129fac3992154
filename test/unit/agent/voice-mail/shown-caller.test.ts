import test from 'ava';
import { shownCaller } from '../../../../src/agent/voice-mail/shown-caller.ts';

const OVERLAY = 'home.example';
const OFFICE = 'office@home.example';
const CAROL = 'carol@home.example';
const believed = { overlay: OVERLAY, gateways: [OFFICE] };

test('a member is who the signature says, whatever the message says', (t) => {
  for (const said of ['+49301234567', 'bob@home.example', 'zoe@provider.example', '', '\n'])
    t.is(shownCaller(said, CAROL, believed), CAROL);
});

test('a gateway that is named tells the number or the foreign address of a caller, and no member', (t) => {
  for (const said of ['+49301234567', '0301234567', '*31#', 'zoe@provider.example'])
    t.is(shownCaller(said, OFFICE, believed), said);
  for (const said of [
    CAROL,
    'CAROL@HOME.EXAMPLE',
    'carol@pc.home.example',
    'carol',
    '',
    ' +49301234567',
    'zoe@provider.example\u001b[2J',
    '1'.repeat(33),
    'a@b@c',
  ])
    t.is(shownCaller(said, OFFICE, believed), OFFICE, JSON.stringify(said));
  t.is(shownCaller('+49301234567', OFFICE, { overlay: OVERLAY, gateways: [] }), OFFICE, 'nor one that is not named');
});
