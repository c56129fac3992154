import test from 'ava';
import { ByteWriter, concatBytes, fromHex } from '../../src/base/bytes.ts';
import { CertificateCache } from '../../src/overlay/security/certificate-cache.ts';
import { Signing } from '../../src/overlay/security/signing.ts';
import { DEFAULT_KINDS, IDLOC_NAME, SIP_REGISTRATION } from '../../src/overlay/storage/kinds.ts';
import type { FetchResult, StoreResult } from '../../src/overlay/storage/storage-client.ts';
import {
  type StoredData,
  dataSignatureInput,
  decodeForwardingHeader,
  decodeMessage,
  encodeForwardingHeader,
  encodeSipRegistration,
  overlayField,
} from '../../src/reload/index.ts';
import { udpFlow } from '../../src/sip/flow.ts';
import { parseSip } from '../../src/sip/message/codec.ts';
import { OverlayNames } from '../../src/sip/names.ts';
import type { LookupResult } from '../../src/overlay/naming.ts';
import { Registrar } from '../../src/sip/registrar/registrar.ts';
import type { SipPlaces } from '../../src/sip/usage/sip-directory.ts';
import { OverlayWorld, type SimNode, resourceOf } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';
import { SipHost, growSipHosts } from '../sim/overlay/sip-host.ts';

const SEED = 20261129;
const ALICE = 'alice@overlay.example.net';
const BOB = 'bob@overlay.example.net';
const USERS = [ALICE, ALICE, BOB, null, null, null, null, null];
const METHODS = '(sip.methods=INVITE)';
/** At an address of its host that it does not write into its Contact. */
const PHONE = udpFlow({
  local: { address: '198.18.0.1', port: 5062 },
  remote: { address: '198.18.0.1', port: 5060 },
});
/** Longer than an answer is kept. */
const FORGET_MS = 6_000;
const WALL_START = 1_700_000_000_000;

interface Scene {
  readonly world: OverlayWorld;
  readonly hosts: readonly SipHost[];
  readonly alice: readonly [SipHost, SipHost];
  readonly bob: SipHost;
}

function scene(t: { log: (line: string) => void }): Scene {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const hosts = growSipHosts(world, USERS);
  const [desk, cell, bob] = hosts;
  if (desk === undefined || cell === undefined || bob === undefined) throw new Error('no hosts');
  return { world, hosts, alice: [desk, cell], bob };
}

function route(hit: string): Uint8Array {
  const writer = new ByteWriter();
  const destinationList = [{ type: 'node' as const, nodeId: hit }];
  encodeSipRegistration(writer, { type: 'route', contactPrefs: '', destinationList });
  return writer.finish();
}

function stored(world: OverlayWorld, node: SimNode, aor: string, key: string, value: Uint8Array): string {
  const result = settled<StoreResult>(world, node, (now, done) =>
    node.overlay.store(
      {
        resource: resourceOf(aor),
        kind: SIP_REGISTRATION.id,
        value: { model: 'dictionary', key: fromHex(key), exists: true, value },
        lifetimeS: 600,
      },
      now,
      done,
    ),
  );
  return result.ok ? 'stored' : result.error.code;
}

/** Of the first host. */
function storedAtOf(result: LookupResult<SipPlaces>): number | undefined {
  return result.ok ? result.value.hosts[0]?.storedAt : undefined;
}

test('hosts where a user’s phones are registered are found from another within a second, all of them, the latest first', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  t.is(bob.found(ALICE), 'not_found');
  world.loop.run(FORGET_MS);
  desk.register(METHODS);
  world.loop.run(1_000);
  const result = bob.lookUp(ALICE);
  t.deepEqual(result.ok && result.value, {
    from: 'registrations',
    hosts: [
      { hit: desk.node.id, preferences: METHODS, ipv4: undefined, storedAt: storedAtOf(result), isOverdue: false },
    ],
  });
  t.is(typeof storedAtOf(result), 'number');
  cell.register('');
  world.loop.run(FORGET_MS);
  t.is(bob.found(ALICE), `registrations ${cell.node.id} ${desk.node.id}`);
});

test('de-registration is seen, at one host and at both; what is registered again meanwhile stays', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  desk.register(METHODS);
  cell.register('');
  world.loop.run(FORGET_MS);
  desk.register(undefined);
  cell.register(undefined);
  world.loop.run(100);
  cell.register('');
  world.loop.run(FORGET_MS);
  t.is(bob.found(ALICE), `registrations ${cell.node.id}`);
  cell.register(undefined);
  world.loop.run(FORGET_MS);
  t.is(bob.found(ALICE), 'not_found');
});

test('a record is refreshed while a phone is registered, and gone ten minutes after its host crashed', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  desk.register('');
  cell.register('');
  world.loop.run(2 * 3_600_000);
  t.is(bob.found(ALICE).split(' ').length, 3);
  world.crash(desk.node);
  world.loop.run(610_000);
  t.is(bob.found(ALICE), `registrations ${cell.node.id}`);
});

test('a user without registrations is found by the name of its hosts, and the answer says so', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk] = alice;
  world.run(desk.node, (now) => {
    desk.names.claimName(ALICE, now);
    desk.names.claimIpv4({ prefix: '198.18.0.0/15' }, now);
  });
  world.loop.run(FORGET_MS);
  const result = bob.lookUp(ALICE);
  t.deepEqual(result.ok && result.value, {
    from: 'names',
    hosts: [
      {
        ...{ hit: desk.node.id, preferences: '', ipv4: desk.names.ipv4 },
        ...{ storedAt: storedAtOf(result), isOverdue: false },
      },
    ],
  });
  t.is(typeof storedAtOf(result), 'number');
  t.truthy(desk.names.ipv4);
});

test('a host that leaves for good, or gives its name back, takes its record along', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  desk.register('');
  cell.register('');
  world.loop.run(FORGET_MS);
  let complete: boolean | undefined;
  world.run(desk.node, (now) => desk.records.giveBack(now, (ok) => (complete = ok)));
  world.loop.run(FORGET_MS);
  t.true(complete);
  t.is(bob.found(ALICE), `registrations ${cell.node.id}`);
  world.run(cell.node, (now) => cell.records.releaseName(now));
  world.loop.run(FORGET_MS);
  t.is(bob.found(ALICE), 'not_found');
});

/** The machine comes back with its key; what the agent has kept of its phones is up to the test. */
function restarted(world: OverlayWorld, host: SipHost, bootstrap: SipHost, phones: string | undefined): SipHost {
  const again = new SipHost(world, world.restart(host.node), 77);
  again.phones = phones;
  world.join(again.node, bootstrap.node);
  return again;
}

test('a host that restarts with its phones’ registrations is found all the time, and one that has lost them for two minutes and a half at most', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  desk.register('');
  cell.register('');
  world.loop.run(FORGET_MS);
  restarted(world, desk, bob, '');
  restarted(world, cell, bob, undefined);
  for (let minutes = 0; minutes < 15; minutes++) {
    world.loop.run(60_000);
    const found = bob.found(ALICE);
    t.true(found.includes(desk.node.id), `after ${minutes} minutes`);
    if (minutes >= 2) t.is(found, `registrations ${desk.node.id}`);
  }
});

/** The registrar of a host, which its record follows. */
function registrarOf(world: OverlayWorld, host: SipHost): Registrar {
  const registrar: Registrar = new Registrar(
    {
      names: new OverlayNames(world.settings.name),
      ports: {
        owns: (aor) => aor === host.node.user,
        user: () => host.node.user,
        isOwnAddress: (address) => address === PHONE.local.address,
        changed: (aor, _, now) => host.register(registrar.preferencesOf(aor, now)),
      },
      random: world.random,
      clock: world.clockOf(host.node.id),
    },
    { hit: host.node.id, outbound: [] },
  );
  const tick = (): void => {
    registrar.handleTimeout(world.now);
    if (host.node.alive) world.loop.after(500, tick);
  };
  tick();
  return registrar;
}

function registerPhone(registrar: Registrar, expiresS: number, now: number): number {
  const text = [
    'REGISTER sip:overlay.example.net SIP/2.0',
    'Via: SIP/2.0/UDP 198.18.0.1;branch=z9hG4bK1',
    `From: <sip:${ALICE}>;tag=1`,
    `To: <sip:${ALICE}>`,
    'Call-ID: 1',
    'CSeq: 1 REGISTER',
    `Contact: <sip:alice@192.168.1.7>;methods="INVITE";expires=${expiresS}`,
  ];
  const request = parseSip(Buffer.from(`${text.join('\r\n')}\r\n\r\n`));
  return request.type === 'request' ? registrar.register(request, PHONE, now).status : 0;
}

test('a phone that registers once is found from another host, over a restart of its own, until its time is up', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk] = alice;
  const registrar = registrarOf(world, desk);
  t.is(registerPhone(registrar, 1_200, world.now), 200);
  world.loop.run(5_000);
  const result = bob.lookUp(ALICE);
  t.is(result.ok && result.value.hosts[0]?.preferences, METHODS);
  const kept: unknown = JSON.parse(JSON.stringify(registrar.snapshot()));
  const again = restarted(world, desk, bob, undefined);
  const restored = registrarOf(world, again);
  t.true(restored.restore(kept, world.now, world.clockOf(again.node.id).wall()));
  for (let minutes = 1; minutes < 20; minutes++) {
    world.loop.run(60_000);
    t.is(bob.found(ALICE), `registrations ${again.node.id}`, `after ${minutes} minutes`);
    t.deepEqual(restored.bindingsOf(ALICE, world.now)[0]?.flow, PHONE);
  }
  world.loop.run(60_000);
  t.is(bob.found(ALICE), 'not_found');
});

test('nobody stores under another user’s AoR, nor another host’s entry, nor what is too large', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  desk.register('');
  world.loop.run(FORGET_MS);
  const [thief] = [bob.node];
  t.is(stored(world, thief, ALICE, thief.id, route(thief.id)), 'forbidden');
  t.is(stored(world, thief, ALICE, desk.node.id, route(thief.id)), 'forbidden');
  t.is(stored(world, cell.node, ALICE, desk.node.id, route(cell.node.id)), 'forbidden', 'the same user’s other host');
  t.is(stored(world, thief, BOB, thief.id, new Uint8Array(513)), 'data_too_large');
  t.is(bob.found(ALICE), `registrations ${desk.node.id}`);
});

test('a record that is no route to its writer is passed over', (t) => {
  const { world, alice, bob } = scene(t);
  const [desk, cell] = alice;
  t.is(stored(world, desk.node, ALICE, desk.node.id, route(bob.node.id)), 'stored');
  t.is(stored(world, cell.node, ALICE, cell.node.id, Uint8Array.of(2, 0, 9)), 'stored');
  t.is(bob.found(ALICE), 'not_found');
});

/** Makes a peer answer every Fetch for this Kind with values of its own making, signed as an answer is. */
function invent(world: OverlayWorld, node: SimNode, values: (signing: Signing) => readonly StoredData[]): () => number {
  const { identity, certificates } = node.enrolled;
  const signing = new Signing({
    key: identity,
    chain: certificates,
    user: node.user,
    overlay: overlayField(world.settings.name),
    cache: new CertificateCache(world.enrollment.trust()),
  });
  const { overlay } = node;
  const receive = overlay.receive.bind(overlay);
  let answered = 0;
  overlay.receive = (from, message, now) => {
    const header = decodeForwardingHeader(message);
    const { body } = decodeMessage(message, { dataModelOf: () => 'dictionary' }).contents;
    const isAsked = body.type === 'fetch_req' && body.specifiers.some(({ kind }) => kind === SIP_REGISTRATION.id);
    if (!isAsked || body.resource !== resourceOf(ALICE)) {
      receive(from, message, now);
      return;
    }
    answered += 1;
    const kindResponses = [{ kind: SIP_REGISTRATION.id, generation: 9n, values: values(signing) }];
    const payload = signing.seal(header.transactionId, { type: 'fetch_ans', kindResponses });
    const answer = encodeForwardingHeader(
      {
        ...header,
        ttl: 100,
        viaList: [],
        destinationList: [...header.viaList, { type: 'node' as const, nodeId: from }].reverse(),
      },
      payload.length,
    );
    node.links.send(from, concatBytes(answer, payload));
  };
  return () => answered;
}

test('a storing peer that invents registrations, or turns somebody’s to itself, is not believed', (t) => {
  const { world, hosts, alice } = scene(t);
  const [desk] = alice;
  desk.register('');
  world.loop.run(FORGET_MS);
  const storing = world.nodes.get(world.responsible(resourceOf(ALICE)) ?? '');
  const asker = hosts.find(({ node }) => node !== storing && node.user !== ALICE);
  if (storing === undefined || storing.user === ALICE || asker === undefined) throw new Error('no such peers');
  const genuine = fetchFrom(world, asker.node, resourceOf(ALICE), SIP_REGISTRATION.id);
  t.true(genuine.ok && genuine.values.length === 1);
  const answered = invent(world, storing, (signing) =>
    [storing.id, desk.node.id].map((key): StoredData => {
      const storageTime = BigInt(WALL_START + Math.floor(world.now));
      const value = { model: 'dictionary', key: fromHex(key), exists: true, value: route(storing.id) } as const;
      const signature = signing.signValue((identity) =>
        dataSignatureInput(resourceOf(ALICE), SIP_REGISTRATION.id, storageTime, value, identity),
      );
      return { storageTime, lifetime: 600, value, signature };
    }),
  );
  const forged = fetchFrom(world, asker.node, resourceOf(ALICE), SIP_REGISTRATION.id);
  t.true(forged.ok && forged.refused === 2, 'the answer came, and both values were refused');
  t.is(asker.found(ALICE), 'not_found');
  t.is(answered(), 2);
});

const EARLIER_KINDS = DEFAULT_KINDS.filter(({ id }) => id !== SIP_REGISTRATION.id);

/** Two hosts of this version among peers of an earlier one. */
function amongEarlier(t: { log: (line: string) => void }) {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const [desk, bob] = growSipHosts(world, [ALICE, BOB]);
  if (desk === undefined || bob === undefined) throw new Error('no hosts');
  const earlier = Array.from({ length: 8 }, () => {
    const node = world.add();
    world.run(node, () => node.overlay.setKinds(EARLIER_KINDS));
    world.join(node, desk.node);
    world.loop.run(1_000);
    return node;
  });
  t.log(`settled: ${world.settle(60_000)}`);
  const storing = earlier.find(({ id }) => id === world.responsible(resourceOf(ALICE)));
  if (storing === undefined) throw new Error('the peer that stores is not of the earlier version');
  return { world, desk, bob, earlier, storing };
}

test('while the peer that stores is of an earlier version, a user is found by name, and by registration once it is of this one', (t) => {
  const { world, desk, bob, storing } = amongEarlier(t);
  desk.register('');
  world.run(desk.node, (now) => desk.names.claimName(ALICE, now));
  world.loop.run(60_000);
  t.is(bob.found(ALICE), `names ${desk.node.id}`);
  world.run(storing, () => storing.overlay.setKinds(DEFAULT_KINDS));
  world.loop.run(150_000);
  t.is(bob.found(ALICE), `registrations ${desk.node.id}`);
});

test('replicas of an earlier version keep what else is stored at the AoR', (t) => {
  const { world, desk, bob, earlier, storing } = amongEarlier(t);
  world.run(storing, () => storing.overlay.setKinds(DEFAULT_KINDS));
  desk.register('');
  world.loop.run(FORGET_MS);
  world.run(desk.node, (now) => desk.names.claimName(ALICE, now));
  world.loop.run(60_000);
  t.is(bob.found(ALICE), `registrations ${desk.node.id}`);
  const { successors } = storing.overlay.snapshot(world.now);
  const replicas = earlier.filter(({ id }) => successors.slice(0, 2).includes(id));
  t.true(replicas.length > 0);
  for (const { id } of replicas) {
    const copies = settled<FetchResult>(world, bob.node, (now, done) =>
      bob.node.overlay.fetch({ resource: resourceOf(ALICE), kind: IDLOC_NAME.id, from: id }, now, done),
    );
    t.true(copies.ok && copies.values.length === 1, copies.ok ? 'nothing is there' : copies.error.message);
  }
});
