import test from 'ava';
import { ticketAddresses, type KnownAddresses } from '../../../src/agent/ticket-addresses.ts';
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { MAX_TICKET_ADDRESSES } from '../../../src/identity/ticket.ts';

type Known = { readonly [K in keyof KnownAddresses]?: readonly string[] };

function list(texts: readonly string[] = []): SocketAddress[] {
  return texts.map((text) => {
    const address = parseSocketAddress(text);
    if (address === undefined) throw new Error(text);
    return address;
  });
}

function read({ advertised, reflexive, mapped, own, streams }: Known): KnownAddresses {
  const lists = { advertised: list(advertised), reflexive: list(reflexive), mapped: list(mapped), own: list(own) };
  return { ...lists, streams: list(streams) };
}

function chosen(known: Known): string[] {
  return ticketAddresses(read(known), 'open', []).addresses.map(formatSocketAddress);
}

function started(known: Known, standing: 'open' | 'closed' | 'unknown', peers: readonly string[]): [string[], boolean] {
  const { addresses, leadInFromOutside } = ticketAddresses(read(known), standing, list(peers));
  return [addresses.map(formatSocketAddress), leadInFromOutside];
}

test('a founder at home: what is configured, then mapped, then as others see it, then its address in the LAN', (t) => {
  t.deepEqual(
    chosen({
      advertised: ['203.0.113.7:6084'],
      reflexive: ['198.51.100.1:41000'],
      mapped: ['198.51.100.1:6084'],
      own: ['192.168.1.10:6084', '[fd00::10]:6084'],
    }),
    ['203.0.113.7:6084', '198.51.100.1:6084', '198.51.100.1:41000', '192.168.1.10:6084', '[fd00::10]:6084'],
  );
});

test('global addresses of the host go before private ones, whatever their order was', (t) => {
  t.deepEqual(chosen({ own: ['10.0.0.5:6084', '[2001:db8::5]:6084', '203.0.113.9:6084', '169.254.7.7:6084'] }), [
    '[2001:db8::5]:6084',
    '203.0.113.9:6084',
    '10.0.0.5:6084',
    '169.254.7.7:6084',
  ]);
});

test('what a neighbour or a second NAT of the provider sees is tried after what everyone reaches', (t) => {
  t.deepEqual(chosen({ reflexive: ['100.64.3.4:6084', '198.51.100.1:6084'], own: ['192.168.1.10:6084'] }), [
    '198.51.100.1:6084',
    '192.168.1.10:6084',
    '100.64.3.4:6084',
  ]);
});

test('each address is there once, and many global ones leave one place for the LAN', (t) => {
  const many = Array.from({ length: 12 }, (_, i) => `203.0.113.${i}:6084`);
  const addresses = chosen({ advertised: ['203.0.113.1:6084'], own: [...many, '192.168.1.10:6084'] });
  t.is(addresses.length, MAX_TICKET_ADDRESSES);
  t.is(new Set(addresses).size, MAX_TICKET_ADDRESSES);
  t.is(addresses[0], '203.0.113.1:6084');
  t.is(addresses.at(-1), '192.168.1.10:6084');
  t.deepEqual(chosen({}), []);
});

test('an advertised private address is believed: whoever configured it knows', (t) => {
  t.deepEqual(chosen({ advertised: ['10.1.1.1:6084'], own: ['203.0.113.9:6084'] }), [
    '10.1.1.1:6084',
    '203.0.113.9:6084',
  ]);
});

const AT_HOME = { reflexive: ['198.51.100.1:6084'], own: ['10.0.0.2:6084'] };

test('a host behind a NAT names public peers in its tickets, before what its NAT shows and what only neighbours reach', (t) => {
  const peers = ['192.168.9.9:6084', '203.0.113.1:6084', '203.0.113.2:6084', '203.0.113.3:6084', '203.0.113.4:6084'];
  t.deepEqual(started(AT_HOME, 'closed', peers), [
    [
      ...['203.0.113.1:6084', '203.0.113.2:6084', '203.0.113.3:6084'],
      ...['198.51.100.1:6084', '10.0.0.2:6084', '192.168.9.9:6084'],
    ],
    true,
  ]);
});

test('what is configured or forwarded, and a public address of its own, come before other peers', (t) => {
  const peers = ['203.0.113.1:6084'];
  t.deepEqual(started({ ...AT_HOME, mapped: ['198.51.100.1:7000'] }, 'open', peers)[0], [
    ...['198.51.100.1:7000', '198.51.100.1:6084', '203.0.113.1:6084', '10.0.0.2:6084'],
  ]);
  t.deepEqual(started({ ...AT_HOME, advertised: ['192.0.2.7:6084'] }, 'closed', [])[1], true);
  t.deepEqual(started({ own: ['203.0.113.9:6084'] }, 'unknown', peers), [
    ['203.0.113.9:6084', '203.0.113.1:6084'],
    true,
  ]);
});

test('a ticket by which nobody outside can come is known as such', (t) => {
  t.deepEqual(started(AT_HOME, 'closed', ['192.168.9.9:6084']), [
    ['198.51.100.1:6084', '10.0.0.2:6084', '192.168.9.9:6084'],
    false,
  ]);
  t.deepEqual(started(AT_HOME, 'unknown', [])[1], false);
  t.deepEqual(started({}, 'unknown', []), [[], false]);
});

test('streams come last, two at most, of public addresses first, however many others there are', (t) => {
  const own = Array.from({ length: 12 }, (_, i) => `203.0.113.${i}:6084`);
  const streams = ['[6000::ffff:c0a8:10a]:443', '[6000::ffff:cb00:7101]:443', '[6000::ffff:cb00:7102]:443'];
  const addresses = chosen({ own, streams });
  t.is(addresses.length, MAX_TICKET_ADDRESSES);
  t.deepEqual(addresses.slice(-2), streams.slice(1));
});
