import test from 'ava';
import { ContactFlows } from '../../../src/sip/contact-flows.ts';
import { DestinationFinder, type Destinations, type FoundHost } from '../../../src/sip/destinations.ts';
import type { SipFlow } from '../../../src/sip/flow.ts';
import { publicGruu } from '../../../src/sip/registrar/gruu.ts';
import { ALICES, ALICES_HIT, BOBS, BOBS_HIT, CAROLS, CAROLS_HIT, from, names, parties, request } from './scene.ts';

const PHONE = from(BOBS, 5060);
const DESK = from('198.18.0.2', 5080);

/** At bob's host: two phones of his are registered. */
function finder(
  hosts: Readonly<Record<string, readonly FoundHost[]>> = {},
  holders: Readonly<Record<string, string>> = {},
  listens: Readonly<Record<string, number>> = {},
): {
  find: (uri: string, flow: SipFlow, headers?: readonly string[]) => string;
  contacts: ContactFlows;
  /** Numbers that were looked up. */
  asked: string[];
  /** Members that were looked up. */
  members: string[];
} {
  const asked: string[] = [];
  const members: string[] = [];
  const contacts = new ContactFlows();
  const ports = {
    bindingsOf: (aor: string) =>
      aor === 'bob@home.example'
        ? [
            { uri: `sip:bob@[${BOBS}]:5060`, flow: PHONE },
            { uri: 'sip:bob@198.18.0.2:5080', flow: DESK },
          ]
        : [],
    unregisteredPhone: () => undefined,
    gruu: () => [],
    gateways: (now: number, done: (hosts: readonly string[], now: number) => void) => done([], now),
    trunk: () => undefined,
    holderOf: (number: string, now: number, done: (aor: string | undefined, now: number) => void) => {
      asked.push(number);
      done(holders[number], now);
    },
    lookUp: (aor: string, now: number, done: (found: readonly FoundHost[] | undefined, now: number) => void) => {
      members.push(aor);
      done(aor === 'silent@home.example' ? undefined : (hosts[aor] ?? []), now);
    },
    portOf: (hit: string) => listens[hit],
    isListening: ({ address, port }: { address: string; port: number }) => parties().isOwn(address) && port === 5062,
  };
  const options = { self: BOBS_HIT, user: 'bob@home.example', port: 5062, plan: { country: 'DE' } };
  const found = new DestinationFinder({ names, parties: parties(), contacts, ports }, options);
  return {
    contacts,
    asked,
    members,
    find: (uri, flow, headers = []) => {
      let text = '';
      found.find(request(uri, headers), flow, 0, (result: Destinations) => {
        text =
          'targets' in result
            ? result.targets.map(({ flow: { key } }) => key).join(', ')
            : `${result.status} ${result.reason}`;
      });
      return text;
    },
  };
}

const to = (address: string, port: number, local: string): string =>
  `udp ${local.includes(':') ? `[${local}]` : local}:5062 ${address.includes(':') ? `[${address}]` : address}:${port}`;

test('a member’s call leads to all phones of this host’s user, and to nobody else’s', (t) => {
  const { find } = finder({ 'carol@home.example': [{ hit: ALICES_HIT, isRegistered: true }] });
  const alice = from(ALICES, 5062);
  t.is(find('sip:bob@home.example', alice), `${PHONE.key}, ${DESK.key}`);
  t.is(find('sip:bob@bob.home.example', alice), `${PHONE.key}, ${DESK.key}`);
  t.is(find(`sip:bob@[${BOBS}]:5062`, alice), `${PHONE.key}, ${DESK.key}`);
  t.is(find('sip:carol@home.example', alice), '404 Not Found');
  t.is(find(`sip:alice@[${ALICES}]:5060`, alice), '404 Not Found');
  t.is(find('sip:x@192.168.1.7', alice), '404 Not Found');
  t.is(find('sip:x@elsewhere.example', alice), '404 Not Found');
});

test('a phone’s call leads to the adaptors of the other member’s hosts, and then to 5060 of a host that is known by name alone', (t) => {
  const { find } = finder({
    'alice@home.example': [{ hit: ALICES_HIT, isRegistered: true }],
    'dave@home.example': [{ hit: ALICES_HIT, isRegistered: false }],
  });
  t.is(find('sip:alice@home.example', PHONE), to(ALICES, 5062, BOBS));
  t.is(find('sip:dave@home.example', PHONE), `${to(ALICES, 5062, BOBS)}, ${to(ALICES, 5060, BOBS)}`);
  t.is(find('sip:nobody@home.example', PHONE), '404 Not Found');
  t.is(find('sip:silent@home.example', PHONE), '504 Overlay Does Not Answer');
  t.is(find('sip:x@elsewhere.example', PHONE), '404 Not of This Overlay');
  t.is(find('tel:+4930123', PHONE), '404 No Gateway');
  t.is(find('sips:alice@home.example', PHONE), '416 Unsupported URI Scheme');
});

test('an adaptor that says that it listens elsewhere is called there, by name, GRUU and TCP; one that says nothing where ours is', (t) => {
  const hosts = { 'alice@home.example': [{ hit: ALICES_HIT, isRegistered: true }] };
  const { find } = finder(hosts, {}, { [ALICES_HIT]: 5070 });
  t.is(find('sip:alice@home.example', PHONE), to(ALICES, 5070, BOBS));
  t.is(find('sip:alice@home.example', PHONE, [`Subject: ${'x'.repeat(700)}`]), `tcp ${BOBS} [${ALICES}]:5070`);
  const gruu = publicGruu(ALICES_HIT, 'alice@home.example', '<urn:uuid:1>');
  t.is(find(gruu, PHONE), to(ALICES, 5070, BOBS));
  const silent = finder(hosts);
  t.is(silent.find(gruu, PHONE), to(ALICES, 5062, BOBS));
  t.deepEqual(silent.members, ['alice@home.example'], 'the overlay is asked where it listens');
});

test('a GRUU leads to hosts of its user alone: those of his records, and those whose certificate has his name', (t) => {
  const carols = publicGruu(CAROLS_HIT, 'alice@home.example', '<urn:uuid:1>');
  const alices = publicGruu(ALICES_HIT, 'alice@home.example', '<urn:uuid:1>');
  const asDave = publicGruu(ALICES_HIT, 'dave@home.example', '<urn:uuid:1>');
  const ports = { [ALICES_HIT]: 5070, [CAROLS_HIT]: 5071 };
  const { find } = finder({ 'dave@home.example': [{ hit: CAROLS_HIT, isRegistered: true }] }, {}, ports);
  t.is(find(carols, PHONE), '404 Not Found', 'the host of somebody else');
  t.is(find(asDave, PHONE), '404 Not Found', 'another user');
  t.is(find(alices, PHONE), to(ALICES, 5070, BOBS), 'by the certificate, without a record');
  const known = finder({ 'alice@home.example': [{ hit: CAROLS_HIT, isRegistered: true }] }, {}, ports);
  t.is(known.find(carols, PHONE), to(CAROLS, 5071, BOBS), 'by the record');
  const silent = publicGruu(CAROLS_HIT, 'silent@home.example', '<urn:uuid:1>');
  t.is(find(silent, PHONE), '504 Overlay Does Not Answer');
});

test('a request that is too large for a datagram goes to the other adaptor by TCP', (t) => {
  const { find } = finder({ 'alice@home.example': [{ hit: ALICES_HIT, isRegistered: true }] });
  t.is(find('sip:alice@home.example', PHONE, [`Subject: ${'x'.repeat(700)}`]), `tcp ${BOBS} [${ALICES}]:5062`);
});

test('a call to one’s own name rings the other phones of this host and those of other hosts', (t) => {
  const hosts = [
    { hit: BOBS_HIT, isRegistered: true },
    { hit: ALICES_HIT, isRegistered: true },
  ];
  const { find } = finder({ 'bob@home.example': hosts });
  t.is(find('sip:bob@home.example', PHONE), `${DESK.key}, ${to(ALICES, 5062, BOBS)}`);
});

test('a phone calls any address of the overlay, and no other', (t) => {
  const { find } = finder();
  t.is(find(`sip:alice@[${ALICES}]`, PHONE), to(ALICES, 5060, BOBS));
  t.is(find('sip:alice@198.18.0.1:5070', PHONE), to('198.18.0.1', 5070, '198.18.0.2'));
  t.is(find('sip:x@192.168.1.7', PHONE), '404 Not of This Overlay');
});

test('a phone with a Contact that leads nowhere is reached where it wrote from, by members too', (t) => {
  const { find, contacts } = finder();
  const alice = from(ALICES, 5062);
  t.is(find('sip:bob@192.168.1.7:5060', alice), '404 Not Found');
  contacts.learn(request('sip:x@home.example', ['Contact: <sip:bob@192.168.1.7>;expires=60']), DESK);
  t.is(find('sip:bob@192.168.1.7:5060;transport=udp', alice), DESK.key);
  contacts.flowClosed(DESK);
  t.is(find('sip:bob@192.168.1.7:5060', alice), '404 Not Found');
});

test('a number that a gateway has given to a member leads to his hosts, however it is written', (t) => {
  const { find } = finder(
    { 'alice@home.example': [{ hit: ALICES_HIT, isRegistered: true }] },
    { '+49301234567': 'alice@home.example', '+49301111111': 'bob@home.example' },
  );
  for (const uri of [
    'sip:+49301234567@home.example',
    'sip:+49301234567@home.example;user=phone',
    'sip:0301234567@home.example',
    'sip:030-123-4567@home.example',
    'tel:+49-30-1234567',
    'tel:0301234567',
    'tel:1234567;phone-context=+4930',
  ])
    t.is(find(uri, PHONE), to(ALICES, 5062, BOBS), uri);
  t.is(find('tel:+49301111111', PHONE), DESK.key, 'one of our own');
  t.is(find('tel:+49309999999', PHONE), '404 No Gateway', 'nobody has it');
});

test('what no member can be called is nobody’s name: the overlay is not asked for it, nor for a number with its +', (t) => {
  const { find, asked, members } = finder();
  for (const user of ['dave.jones', 'my_host', '-a', 'a%20b', 'x'.repeat(64)])
    t.is(find(`sip:${user}@home.example`, PHONE), '404 Not Found', user);
  t.is(find('sip:+49301234567@home.example', PHONE), '404 No Gateway');
  t.deepEqual([members, asked], [[], ['+49301234567']]);
  t.regex(find('sip:49301234567@home.example', PHONE), /^404/);
  t.deepEqual(members, ['49301234567@home.example'], 'that may be a member’s name');
});

test('the number of a member who is gone does not go out into the world', (t) => {
  const { find } = finder({}, { '+49301234567': 'carol@home.example' });
  t.is(find('tel:+49301234567', PHONE), '404 Not Found');
});

test('numbers for help, those at another domain, and what a member brings are not looked up', (t) => {
  const { find, asked } = finder({}, { '112': 'alice@home.example', '+49301234567': 'alice@home.example' });
  for (const uri of [
    'tel:112',
    'sip:112@home.example',
    'urn:service:sos',
    'sip:+49301234567@provider.example',
    'tel:100',
  ])
    t.regex(find(uri, PHONE), /^404 No/, uri);
  t.is(find('sip:+49301234567@home.example', from(ALICES, 5062)), '404 Not Found');
  t.deepEqual(asked, []);
});
