import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import {
  locateServers,
  type NaptrRecord,
  type SrvRecord,
  type Wanted,
} from '../../../../src/sip/trunk/server-location.ts';

interface Zone {
  readonly naptr?: Readonly<Record<string, readonly NaptrRecord[]>>;
  readonly srv?: Readonly<Record<string, readonly SrvRecord[]>>;
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
}

async function find(wanted: Wanted, zone: Zone, seed = 1): Promise<string[]> {
  const resolver = {
    naptr: (name: string) => Promise.resolve(zone.naptr?.[name] ?? []),
    srv: (name: string) => Promise.resolve(zone.srv?.[name] ?? []),
    addresses: (name: string) => Promise.resolve(zone.addresses?.[name] ?? []),
  };
  const servers = await locateServers(wanted, resolver, seededRandom(seed));
  return servers.map(({ transport, remote: { address, port } }) => `${transport} ${address} ${port}`);
}

const naptr = (order: number, service: string, replacement: string): NaptrRecord => ({
  ...{ order, preference: 10, flags: 's', service, replacement },
});
const srv = (priority: number, name: string, port = 5_060, weight = 0): SrvRecord => ({ priority, weight, port, name });

const ZONE: Zone = {
  naptr: { 'p.example': [naptr(20, 'SIP+D2U', '_sip._udp.p.example'), naptr(10, 'SIPS+D2T', '_sips._tcp.p.example')] },
  srv: { '_sip._udp.p.example': [srv(20, 'b.p.example', 5_070), srv(10, 'a.p.example')] },
  addresses: { 'a.p.example': ['192.0.2.1', '2001:db8::1'], 'b.p.example': ['192.0.2.2'], 'p.example': ['192.0.2.9'] },
};

test('NAPTR, SRV and addresses are followed, SRV by its priority, and what needs TLS is passed over', async (t) => {
  t.deepEqual(await find({ host: 'p.example' }, ZONE), [
    'udp 192.0.2.1 5060',
    'udp 2001:db8::1 5060',
    'udp 192.0.2.2 5070',
  ]);
});

test('a port, an address or a transport in the URI says more than DNS', async (t) => {
  t.deepEqual(await find({ host: 'p.example', port: 5_080 }, ZONE), ['udp 192.0.2.9 5080']);
  t.deepEqual(await find({ host: '192.0.2.7', transport: 'tcp' }, ZONE), ['tcp 192.0.2.7 5060']);
  t.deepEqual(
    await find({ host: 'p.example', transport: 'udp' }, { ...ZONE, naptr: {} }),
    await find({ host: 'p.example' }, ZONE),
  );
});

test('without SRV the domain is a host; a service that is decidedly not there, and a name that is nowhere, give none', async (t) => {
  t.deepEqual(await find({ host: 'p.example' }, { addresses: ZONE.addresses ?? {} }), ['udp 192.0.2.9 5060']);
  t.deepEqual(await find({ host: 'q.example' }, { srv: { '_sip._udp.q.example': [srv(0, '')] } }), []);
});

test('of servers of one priority each is first as often as its weight says', async (t) => {
  const zone = {
    srv: { '_sip._udp.p.example': [srv(1, '192.0.2.1', 5_060, 1), srv(1, '192.0.2.3', 5_060, 3)] },
  };
  const firsts = await Promise.all(Array.from({ length: 400 }, (_, seed) => find({ host: 'p.example' }, zone, seed)));
  const heavy = firsts.filter(([first]) => first === 'udp 192.0.2.3 5060').length;
  t.true(heavy > 260 && heavy < 340, `${heavy} of 400`);
  t.true(firsts.every((order) => order.length === 2));
});

test('a zone of a thousand records is looked at no longer than one of eight servers', async (t) => {
  const many = Array.from({ length: 1_000 }, (_, i) => srv(i, `192.0.2.${i % 256}`));
  t.is((await find({ host: 'p.example' }, { srv: { '_sip._udp.p.example': many } })).length, 8);
});

test('over TLS: the services that say so, else _sips._tcp, else port 5061 of the domain, and never what is not TLS', async (t) => {
  const wanted: Wanted = { host: 'p.example', transport: 'tls' };
  const zone = {
    ...ZONE,
    srv: { ...ZONE.srv, '_sips._tcp.p.example': [srv(2, 'b.p.example', 5_063), srv(1, 'a.p.example', 5_061)] },
  };
  const found = ['tls 192.0.2.1 5061', 'tls 2001:db8::1 5061', 'tls 192.0.2.2 5063'];
  t.deepEqual(await find(wanted, zone), found);
  t.deepEqual(await find(wanted, { ...zone, naptr: {} }), found);
  const elsewhere = {
    'p.example': [naptr(10, 'SIPS+D2T', '_sips._tcp.q.example'), naptr(5, 'SIP+D2T', '_sip._tcp.p.example')],
  };
  const srvs = {
    '_sips._tcp.q.example': [srv(1, 'b.p.example', 5_071)],
    '_sip._tcp.p.example': [srv(1, 'a.p.example')],
  };
  t.deepEqual(await find(wanted, { ...ZONE, naptr: elsewhere, srv: srvs }), ['tls 192.0.2.2 5071']);
  t.deepEqual(await find(wanted, { ...ZONE, naptr: {} }), ['tls 192.0.2.9 5061']);
  t.deepEqual(await find({ ...wanted, host: '192.0.2.7' }, {}), ['tls 192.0.2.7 5061']);
  t.deepEqual(await find({ ...wanted, port: 5_080 }, ZONE), ['tls 192.0.2.9 5080']);
});
