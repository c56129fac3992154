import test from 'ava';
import type { Protocol } from '../../../src/portmap/attempt.ts';
import { ASK_AGAIN_MS, LEAST_PAUSE_MS, LIFETIME_S, UPNP_LEASE_S } from '../../../src/portmap/constants.ts';
import { MapperWorld, PORT, SimRouter, UPLINK } from './sim-router.ts';

const EXTERNAL = `203.0.113.1:${PORT}`;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function begin(speaks: Protocol[], set: (router: SimRouter) => void = () => undefined): MapperWorld {
  const router = new SimRouter(speaks);
  set(router);
  const world = new MapperWorld(router);
  world.uplink();
  return world;
}

test('a router that speaks PCP is asked by nothing else, and maps within a round trip', (t) => {
  const world = begin(['pcp', 'nat-pmp', 'upnp']);
  t.is(world.mapper.mapping.state, 'asking');
  world.run(10);
  t.is(world.external, EXTERNAL);
  t.is(world.mapper.mapping.protocol, 'pcp');
  t.deepEqual(world.router.what, [`pcp map ${LIFETIME_S}`]);
  t.deepEqual(world.log, [`info: port mapped {"addr":"${EXTERNAL}","by":"pcp","lifetimeS":${LIFETIME_S}}`]);
});

test('a router of NAT-PMP says that it knows no PCP, and is asked by NAT-PMP at once', (t) => {
  const world = begin(['nat-pmp', 'upnp']);
  world.run(10);
  t.is(world.external, EXTERNAL);
  t.is(world.mapper.mapping.protocol, 'nat-pmp');
  t.deepEqual(world.router.what, ['pcp to nat-pmp', 'nat-pmp address', `nat-pmp map ${LIFETIME_S}`]);
});

for (const services of ['igd1', 'igd2', 'ppp'] as const)
  test(`a router of UPnP alone (${services}) is found and maps within 5 s`, (t) => {
    const world = begin(['upnp'], (router) => (router.servicesIn = services));
    world.run(5_000);
    t.is(world.external, EXTERNAL);
    t.is(world.mapper.mapping.protocol, 'upnp');
    t.is(world.router.mappings.get(PORT)?.to, `${UPLINK.local}:${PORT}`);
  });

test('a router that says that nobody is at its port is asked by UPnP at once', (t) => {
  const world = begin(['upnp'], (router) => (router.refuses = true));
  world.run(50);
  t.is(world.external, EXTERNAL);
});

test('a router that answers nothing is asked again, rarely; one line says so once', (t) => {
  const world = begin([]);
  world.run(7_000);
  const why = 'the router 192.168.1.1 answers neither PCP, NAT-PMP nor UPnP';
  t.deepEqual(world.mapper.mapping, { state: 'none', external: undefined, protocol: undefined, why });
  world.run(3 * ASK_AGAIN_MS);
  t.deepEqual(world.log, [`info: port not mapped {"reason":"${why}"}`]);
  world.router.speaks = ['pcp'];
  world.run(ASK_AGAIN_MS + 10_000);
  t.is(world.external, EXTERNAL);
});

test('a refusal is told with its reason, after everything was tried', (t) => {
  const world = begin(['pcp', 'upnp'], (router) => (router.error = 2));
  world.run(10_000);
  t.is(world.external, undefined);
  t.is(world.mapper.mapping.why, 'the router 192.168.1.1 refuses: PCP: not authorized; UPnP: error 2');
});

for (const protocol of ['pcp', 'nat-pmp', 'upnp'] as const)
  test(`${protocol}: the mapping is renewed from half of its life on, is never gone in a day, and is taken away at the end`, (t) => {
    const world = begin([protocol]);
    world.run(10_000);
    const asked = world.router.asked.length;
    const lifeMs = (protocol === 'upnp' ? UPNP_LEASE_S : LIFETIME_S) * 1_000;
    for (let minute = 0; minute < 24 * 60; minute++) {
      world.run(MINUTE_MS);
      t.deepEqual(world.mapped, [PORT]);
    }
    const rounds = new Set(world.router.asked.slice(asked).map(({ at }) => Math.round(at / MINUTE_MS)));
    const most = (24 * HOUR_MS) / (lifeMs / 2);
    t.true(rounds.size <= most && rounds.size >= most / 1.3, `${rounds.size} of ${most} rounds`);
    t.is(world.log.length, 1);
    world.mapper.stop(world.now);
    t.false(world.mapper.stopped);
    world.pump();
    world.run(100);
    t.deepEqual(world.mapped, []);
    t.true(world.mapper.stopped);
    t.is(world.mapper.nextTimeout(), undefined);
  });

test('a router that is switched off at the end holds nobody up for long', (t) => {
  const world = begin(['pcp']);
  world.run(10);
  world.router.off = true;
  world.mapper.stop(world.now);
  world.pump();
  world.run(2_000);
  t.true(world.mapper.stopped);
});

test('a router that was switched off and on says so, and maps again at once', (t) => {
  const world = begin(['pcp']);
  world.run(HOUR_MS / 4);
  world.announce();
  world.run(1_000);
  t.is(world.router.asked.length, 1, 'an announcement alone is no reason');
  world.router.reboot(world.now);
  world.announce();
  world.run(10);
  t.deepEqual(world.mapped, [PORT]);
  t.is(world.router.asked.length, 2);
});

test('announcements of anybody else, broken ones, and many of them cost nothing', (t) => {
  const world = begin(['pcp']);
  world.run(HOUR_MS / 4);
  world.router.reboot(world.now);
  world.announce(undefined, '192.168.1.66');
  world.announce(Uint8Array.of(2, 128));
  world.announce(new Uint8Array(0));
  world.run(1_000);
  t.is(world.router.asked.length, 1);
  for (let i = 0; i < 1_000; i++) {
    world.router.reboot(world.now);
    world.announce();
    world.run(100);
  }
  const most = 2 + (1_000 * 100) / LEAST_PAUSE_MS;
  t.true(world.router.asked.length <= most, `${world.router.asked.length} requests`);
});

test('a router that changed its address says so by NAT-PMP, and the mapping is told anew', (t) => {
  const world = begin(['nat-pmp']);
  world.run(HOUR_MS / 4);
  world.router.external = '203.0.113.99';
  const epoch = world.router.epochS(world.now);
  world.announce(
    Uint8Array.of(0, 128, 0, 0, ...[24, 16, 8, 0].map((bits) => (epoch >>> bits) & 0xff), 203, 0, 113, 99),
  );
  world.run(100);
  t.is(world.external, `203.0.113.99:${PORT}`);
  t.is(world.log.length, 2);
});

test('the renewal finds a mapping that was lost in silence', (t) => {
  const world = begin(['upnp']);
  world.run(5_000);
  world.router.reboot(world.now);
  world.run((UPNP_LEASE_S * 1_000 * 5) / 8 + 5_000);
  t.deepEqual(world.mapped, [PORT]);
});

test('a router that stays silent at the renewal keeps the mapping until it ends; then there is none', (t) => {
  const world = begin(['pcp']);
  world.run(1_000);
  world.router.off = true;
  world.run((LIFETIME_S * 1_000) / 2 + ASK_AGAIN_MS);
  t.is(world.external, EXTERNAL);
  world.run((LIFETIME_S * 1_000) / 2);
  t.is(world.external, undefined);
  t.is(world.mapper.mapping.state, 'none');
  world.router.off = false;
  world.run(ASK_AGAIN_MS + 10_000);
  t.is(world.external, EXTERNAL);
});

test('a new network: the old mapping is forgotten at once, the new router is asked', (t) => {
  const world = begin(['pcp']);
  world.run(1_000);
  world.router = new SimRouter(['pcp']);
  world.router.external = '203.0.113.3';
  world.uplink({ gateway: '192.168.1.1', local: '192.168.1.77' });
  t.is(world.external, undefined);
  world.run(10);
  t.is(world.external, `203.0.113.3:${PORT}`);
});

test('another router with the addresses of the last one is asked too, but not with every event', (t) => {
  const world = begin(['pcp']);
  world.run(MINUTE_MS);
  world.router = new SimRouter(['pcp']);
  world.router.external = '203.0.113.3';
  for (let i = 0; i < 100; i++) world.uplink();
  world.run(LEAST_PAUSE_MS);
  t.is(world.external, `203.0.113.3:${PORT}`);
  t.is(world.router.asked.length, 1);
});

test('without a network there is none, and a host with a public address needs none', (t) => {
  const world = begin(['pcp']);
  world.run(1_000);
  world.mapper.setUplink(undefined, world.now);
  t.is(world.mapper.mapping.why, 'this host has no IPv4 router');
  world.uplink({ gateway: '203.0.113.254', local: '203.0.113.7' });
  t.is(world.mapper.mapping.why, 'not needed: this host has a public address');
  world.run(HOUR_MS);
  t.is(world.router.asked.length, 1);
});

for (const external of ['100.64.0.7', '10.0.0.2', '192.168.0.2', '169.254.1.1'])
  test(`a router whose own address is ${external} is behind another NAT: nothing to tell others, and said`, (t) => {
    const world = begin(['pcp'], (router) => (router.external = external));
    world.run(1_000);
    t.is(world.external, undefined);
    t.is(world.mapper.mapping.why, `the router's own address ${external} is behind another NAT`);
    // The provider gives it a public one.
    world.router.external = '203.0.113.1';
    world.run(LIFETIME_S * 1_000);
    t.is(world.external, EXTERNAL);
  });

for (const protocol of ['pcp', 'nat-pmp', 'upnp'] as const)
  test(`${protocol}: when another host has the port, another one is mapped, and kept`, (t) => {
    const world = begin([protocol], (router) => router.taken.add(PORT));
    world.run(6_000);
    const { external } = world;
    t.truthy(external);
    t.not(external, EXTERNAL);
    world.run(2 * HOUR_MS);
    t.is(world.external, external);
    t.is(world.mapped.length, 1);
  });

test('a router of UPnP that knows no leases maps for good, and the mapping is taken away all the same', (t) => {
  const world = begin(['upnp'], (router) => (router.permanentOnly = true));
  world.run(6_000);
  t.is(world.router.mappings.get(PORT)?.until, Infinity);
  world.mapper.stop(world.now);
  world.pump();
  world.run(100);
  t.is(world.router.mappings.size, 0);
});

test('a life of a second is no reason to ask every second', (t) => {
  const world = begin(['pcp'], (router) => (router.grants = 1));
  world.run(HOUR_MS);
  t.true(world.router.asked.length <= 121, `${world.router.asked.length} requests in an hour`);
});

test('what a stranger on the LAN answers to a search is not believed', (t) => {
  const world = begin([]);
  world.run(4_000);
  const answer =
    'HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://192.168.1.1/x\r\n\r\n';
  world.mapper.input(
    { type: 'searched', from: { address: '192.168.1.66', port: 1900 }, data: Buffer.from(answer) },
    world.now,
  );
  t.is(world.mapper.pollTransmit(), undefined);
  world.mapper.input(
    { type: 'searched', from: { address: UPLINK.gateway, port: 1900 }, data: Buffer.from(answer) },
    world.now,
  );
  t.is(world.mapper.pollTransmit()?.type, 'http');
});
