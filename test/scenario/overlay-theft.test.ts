import test from 'ava';
import { fromHex } from '../../src/base/bytes.ts';
import { parseIpv4Prefix } from '../../src/base/ipv4-prefix.ts';
import type { ResourceId } from '../../src/base/node-id.ts';
import { orchidRing } from '../../src/overlay/chord/ring.ts';
import { ipv4Choice } from '../../src/overlay/ipv4-choice.ts';
import { IDLOC_HOST, IDLOC_IPV4, IDLOC_MEMBER, IDLOC_NAME, type Kind } from '../../src/overlay/storage/kinds.ts';
import {
  encodeHostValue,
  encodeIpv4Value,
  encodeNameValue,
  ipv4ResourceName,
} from '../../src/overlay/storage/values.ts';
import {
  type StoreRequest,
  type StoredData,
  type StoredDataValue,
  dataSignatureInput,
} from '../../src/reload/index.ts';
import { type SimHost, growNamed } from '../sim/overlay/named-host.ts';
import { OverlayWorld, type SimNode, resourceOf } from '../sim/overlay/overlay-world.ts';
import { RawMember } from '../sim/overlay/raw-member.ts';
import { fetchFrom, hostRecord } from '../sim/overlay/records.ts';

const SEED = 20261127;
/** Of the tries: with the second a place is left with two copies when its peer restarts, and a thief passes for a peer there. */
const SEEDS = [SEED, 1];
const TRIES = 1_000;
/** So small that hosts have many choices in common: the rule that limits choices alone would not save anybody. */
const PREFIX = '198.18.0.0/24';
const DAY_MS = 86_400_000;
/** Of a claim that ends before the address is another host's. */
const FORMER_LIFE_S = 60;
const LONGEST_S = 30 * 86_400;

interface Victim extends SimHost {
  readonly user: string;
  readonly address: string;
  /** What it had stored before it stored the same anew: good signatures, and old. */
  readonly old: Map<ResourceId, { readonly kind: Kind; readonly values: readonly StoredData[] }>;
  /** Who had its address before, until the claim expired; undefined: nobody. */
  readonly former: Former | undefined;
}

interface Former {
  readonly member: RawMember;
  /** The claim that expired, and others that it could have made long ago: good signatures all. */
  readonly claims: readonly StoredData[];
}

interface Scene {
  readonly world: OverlayWorld;
  readonly victims: readonly Victim[];
  /** Peers without a name, which crash and come back. */
  others: SimNode[];
  readonly thieves: readonly RawMember[];
}

/** One try: a member wants what is a victim's. */
type Trick = (scene: Scene, thief: RawMember, victim: Victim) => void;

const single = (bytes: Uint8Array, exists = true): StoredDataValue => ({ model: 'single', exists, value: bytes });
const nothing = new Uint8Array();

function wall(world: OverlayWorld): number {
  return 1_700_000_000_000 + world.now;
}

/** Which of the thief's choices an address is; -1: none. */
function choiceOf(address: string, thief: RawMember): number {
  const prefix = parseIpv4Prefix(PREFIX);
  return Array.from({ length: 64 }, (_, i) => ipv4Choice(prefix, thief.id, i)).indexOf(address);
}

/** The thief's claim on an address, with a choice that is none of its own where it must. */
function claimOn(address: string, thief: RawMember): Uint8Array {
  return encodeIpv4Value({ ipv4: address, hit: thief.id, choice: Math.max(0, choiceOf(address, thief)), user: null });
}

function signed(
  thief: RawMember,
  resource: ResourceId,
  kind: Kind,
  value: StoredDataValue,
  time: number,
  lifetime = LONGEST_S,
): StoredData {
  const storageTime = BigInt(Math.floor(time));
  const signature = thief.signing.signValue((identity) =>
    dataSignatureInput(resource, kind.id, storageTime, value, identity),
  );
  return { storageTime, lifetime, value, signature };
}

function storeOf(resource: ResourceId, kind: Kind, values: readonly StoredData[], replicaNumber: number): StoreRequest {
  const kindData = [{ kind: kind.id, generationCounter: replicaNumber === 0 ? 0n : 9n, values }];
  return { type: 'store_req', resource, replicaNumber, kindData };
}

/** To the peer that is responsible, as an original and as a copy, and as copies to some others. */
function everywhere(
  { world }: Scene,
  thief: RawMember,
  resource: ResourceId,
  request: (replicaNumber: number) => StoreRequest,
  certificates: readonly Uint8Array[] = [],
): void {
  for (const replicaNumber of [0, 1])
    thief.send(request(replicaNumber), { destinationList: [{ type: 'resource', resourceId: resource }] }, certificates);
  const some = Array.from({ length: 4 }, () => world.pick(world.peers)).filter((peer) => peer !== undefined);
  for (const { id } of some) thief.send(request(1), { destinationList: [{ type: 'node', nodeId: id }] }, certificates);
}

function put(
  scene: Scene,
  thief: RawMember,
  kind: Kind,
  resource: ResourceId,
  value: StoredDataValue,
  times: readonly number[],
): void {
  for (const time of times) {
    const data = signed(thief, resource, kind, value, time);
    everywhere(scene, thief, resource, (replicaNumber) => storeOf(resource, kind, [data], replicaNumber));
  }
}

/** Two of the times that a liar may write: long ago, just before, now, as far ahead as is let through, and further. */
function times(world: OverlayWorld): number[] {
  const now = wall(world);
  const all = [1, now - 29 * DAY_MS, now - 1, now, now + 590_000, now + 3_600_000, now + 2 * DAY_MS];
  return [world.pick(all) ?? now, world.pick(all) ?? now];
}

const claim: Trick = (scene, thief, { address }) => {
  const resource = resourceOf(ipv4ResourceName(address));
  put(scene, thief, IDLOC_IPV4, resource, single(claimOn(address, thief)), times(scene.world));
};

/** A member whose Node-ID lies between a victim's address and the peer that is responsible: that one would yield to it. */
function wellPlaced({ world, thieves, victims }: Scene): [RawMember, Victim] | undefined {
  const pairs = thieves.flatMap((thief) => victims.map((victim): [RawMember, Victim] => [thief, victim]));
  return world.pick(
    pairs.filter(([{ id }, { address }]) => {
      const place = resourceOf(ipv4ResourceName(address));
      return orchidRing.insideOpen(id, place, world.responsible(place) ?? place);
    }),
  );
}

/** The peer that is responsible for a victim's address, or another one, has forgotten all, and is on its way into the ring again. */
function restartResponsible(scene: Scene, { address }: Victim): boolean {
  const { world } = scene;
  const resource = resourceOf(ipv4ResourceName(address));
  const responsible = scene.others.find(({ id }) => id === world.responsible(resource)) ?? world.pick(scene.others);
  if (responsible === undefined) return false;
  const again = world.restart(responsible);
  scene.others = scene.others.map((node) => (node === responsible ? again : node));
  const bootstrap = world.pick(world.peers.filter((node) => node !== again));
  if (bootstrap === undefined) return false;
  world.join(again, bootstrap);
  return true;
}

const TRICKS: Readonly<Record<string, Trick>> = {
  claim,
  'tombstone on the address': (scene, thief, { address }) => {
    const resource = resourceOf(ipv4ResourceName(address));
    put(scene, thief, IDLOC_IPV4, resource, single(nothing, false), times(scene.world));
    claim(scene, thief, { address } as Victim);
  },
  'own record at the name': (scene, thief, { user, address }) => {
    const value = encodeNameValue({ ipv4: address });
    const entry = (key: Uint8Array): StoredDataValue => ({ model: 'dictionary', key, exists: true, value });
    put(scene, thief, IDLOC_NAME, resourceOf(user), entry(fromHex(thief.id)), times(scene.world));
  },
  'the victim’s entry taken away': (scene, thief, { user, node }) => {
    const gone: StoredDataValue = { model: 'dictionary', key: fromHex(node.id), exists: false, value: nothing };
    put(scene, thief, IDLOC_NAME, resourceOf(user), gone, times(scene.world));
    put(scene, thief, IDLOC_HOST, hostRecord(node.id), single(nothing, false), times(scene.world));
  },
  'own record at the victim’s Node-ID': (scene, thief, { user, node, address }) => {
    const value = single(encodeHostValue({ user, ipv4: address }));
    put(scene, thief, IDLOC_HOST, hostRecord(node.id), value, times(scene.world));
    const entry: StoredDataValue = { model: 'dictionary', key: fromHex(node.id), exists: true, value: nothing };
    put(scene, thief, IDLOC_MEMBER, hostRecord(node.id), entry, times(scene.world));
  },
  'old values of the victim': (scene, thief, { old, node }) => {
    for (const [resource, { kind, values }] of old) {
      const longer = values.map((data) => ({ ...data, lifetime: LONGEST_S }));
      everywhere(
        scene,
        thief,
        resource,
        (number) => storeOf(resource, kind, longer, number),
        node.enrolled.certificates,
      );
    }
  },
  'the expired claim of the former holder': (scene, thief, victim) => {
    const { world } = scene;
    if (victim.former === undefined) return;
    const { member, claims } = victim.former;
    const place = resourceOf(ipv4ResourceName(victim.address));
    // The signature does not cover the lifetime.
    const longer = claims.map((data) => ({ ...data, lifetime: LONGEST_S }));
    const sendAgain = (): void => {
      for (const data of longer)
        everywhere(scene, thief, place, (number) => storeOf(place, IDLOC_IPV4, [data], number), member.certificates);
    };
    sendAgain();
    // Where nothing of the place is known the claim meets nobody that holds it.
    if (world.pick([true, false]) !== true || !restartResponsible(scene, victim)) return;
    for (let i = 0; i < 6; i++) {
      sendAgain();
      world.loop.run(400);
    }
  },
  'the victim’s values elsewhere': (scene, thief, { old, node }) => {
    for (const { kind, values } of old.values()) {
      const resource = hostRecord(thief.id);
      everywhere(
        scene,
        thief,
        resource,
        (number) => storeOf(resource, kind, values, number),
        node.enrolled.certificates,
      );
    }
  },
  'looks like a peer': (scene, thief, victim) => {
    const [liar, wanted] = wellPlaced(scene) ?? [thief, victim];
    const { world } = scene;
    const place = resourceOf(ipv4ResourceName(wanted.address));
    const responsible = world.nodes.get(world.responsible(place) ?? '');
    if (responsible !== undefined) liar.link(responsible);
    liar.send({ type: 'update_req', update: { type: 'peer_ready', uptime: 1 } });
    const data = signed(liar, place, IDLOC_IPV4, single(claimOn(wanted.address, liar)), wall(world));
    for (const pauseMs of [0, 2_000, 8_000]) {
      world.loop.run(pauseMs);
      liar.send(storeOf(place, IDLOC_IPV4, [data], 1));
    }
    claim(scene, liar, wanted);
    // A member that passes for a peer without answering is found out within seconds.
    world.loop.run(30_000);
  },
  'looks like a joining peer': (scene, thief, victim) => {
    thief.send({ type: 'join_req', joiningPeerId: thief.id, overlaySpecificData: nothing });
    claim(scene, thief, victim);
    thief.send({ type: 'leave_req', leavingPeerId: thief.id });
  },
  'the responsible peer has just restarted': (scene, thief, victim) => {
    const { world } = scene;
    if (!restartResponsible(scene, victim)) return;
    for (let i = 0; i < 6; i++) {
      claim(scene, thief, victim);
      world.loop.run(400);
    }
  },
  'a newcomer comes': (scene, thief, victim) => {
    const { world } = scene;
    const [leaver] = scene.others;
    const bootstrap = world.pick(world.peers);
    if (leaver === undefined || bootstrap === undefined || scene.others.length < 4) return;
    const node = world.add();
    world.join(node, bootstrap === leaver ? victim.node : bootstrap);
    scene.others = [...scene.others.slice(1), node];
    for (let i = 0; i < 6; i++) {
      claim(scene, thief, victim);
      world.loop.run(400);
    }
    world.leave(leaver);
  },
};

/** Victims with names and addresses, other peers between them, and members that want what is theirs. */
function set(world: OverlayWorld): Scene {
  const hosts = growNamed(
    world,
    Array.from({ length: 6 }, (_, i) => `user${i}@example.net`),
  );
  const others: SimNode[] = [];
  for (let i = 0; i < 8; i++) {
    const node = world.add();
    const bootstrap = hosts[0]?.node;
    if (bootstrap !== undefined) world.join(node, bootstrap);
    others.push(node);
    world.loop.run(1_500);
  }
  world.settle(30_000);
  const formers = formerHolders(world, hosts);
  for (const { node, names } of hosts)
    world.run(node, (now) => {
      names.claimName(node.user ?? '', now);
      names.claimIpv4({ prefix: PREFIX }, now);
    });
  world.loop.run(30_000);
  const victims = hosts.map((host): Victim => {
    const { node, names } = host;
    const address = names.ipv4 ?? '';
    return { ...host, user: node.user ?? '', address, old: new Map(), former: formers.get(address) };
  });
  for (const victim of victims) learnOld(world, victim);
  for (const { node, names } of hosts) world.run(node, (now) => names.refresh(now));
  world.loop.run(10_000);
  const thieves = Array.from({ length: 24 }, () => {
    const at = world.pick(world.peers);
    if (at === undefined) throw new Error('no peer');
    return new RawMember(world, at);
  });
  return { world, victims, others, thieves };
}

/** Of each address that a host will choose first: members that had it for a minute, and do not any more. */
function formerHolders(world: OverlayWorld, hosts: readonly SimHost[]): ReadonlyMap<string, Former> {
  const formers = new Map<string, Former>();
  const addresses = new Set(hosts.map(({ node }) => ipv4Choice(parseIpv4Prefix(PREFIX), node.id, 0)));
  for (const address of addresses) {
    const place = resourceOf(ipv4ResourceName(address));
    const [at] = hosts;
    if (at === undefined) throw new Error('no hosts');
    let member = new RawMember(world, at.node);
    while (choiceOf(address, member) < 0) member = new RawMember(world, at.node);
    const claimed = (ageMs: number): StoredData =>
      signed(member, place, IDLOC_IPV4, single(claimOn(address, member)), wall(world) - ageMs, FORMER_LIFE_S);
    const held = claimed(0);
    const destinationList = [{ type: 'resource' as const, resourceId: place }];
    member.send(storeOf(place, IDLOC_IPV4, [held], 0), { destinationList });
    world.loop.run(5_000);
    const found = fetchFrom(world, at.node, place, IDLOC_IPV4.id);
    if (!found.ok || found.values[0]?.signer.nodeId !== member.id) throw new Error(`${address} was never theirs`);
    formers.set(address, { member, claims: [held, claimed(DAY_MS), claimed(31 * DAY_MS)] });
  }
  world.loop.run(2_000 * FORMER_LIFE_S);
  return formers;
}

/** As anyone can: by asking the peer that keeps them. */
function learnOld(world: OverlayWorld, { node, user, address, old }: Victim): void {
  const places: readonly (readonly [ResourceId, Kind])[] = [
    [resourceOf(user), IDLOC_NAME],
    [resourceOf(ipv4ResourceName(address)), IDLOC_IPV4],
    [hostRecord(node.id), IDLOC_HOST],
  ];
  for (const [resource, kind] of places) {
    const responsible = world.nodes.get(world.responsible(resource) ?? '');
    if (responsible === undefined) continue;
    const spy = new RawMember(world, responsible);
    const specifier =
      kind.dataModel === 'single' ? ({ model: 'single' } as const) : ({ model: 'dictionary', keys: [] } as const);
    const [answer] = spy.send({
      type: 'fetch_req',
      resource,
      specifiers: [{ kind: kind.id, generation: 0n, specifier }],
    });
    if (answer?.type === 'fetch_ans') old.set(resource, { kind, values: answer.kindResponses[0]?.values ?? [] });
  }
}

/** What of the victim is now somebody else's. An answer that does not come is no theft. */
function stolen({ world, victims, others }: Scene, { node, names, user, address }: Victim): string[] {
  // Not one that is leaving: it would never answer.
  const staying = [...victims.map((victim) => victim.node), ...others];
  const reader = world.pick(staying.filter((peer) => peer.overlay.state === 'joined')) ?? node;
  const out: string[] = [];
  if (names.ipv4 !== address) out.push(`the host of ${address} has ${names.ipv4 ?? 'none'}`);
  const claims = fetchFrom(world, reader, resourceOf(ipv4ResourceName(address)), IDLOC_IPV4.id);
  if (claims.ok) for (const { signer } of claims.values) if (signer.nodeId !== node.id) out.push(`address ${address}`);
  const hosts = fetchFrom(world, reader, resourceOf(user), IDLOC_NAME.id);
  if (hosts.ok) for (const { signer } of hosts.values) if (signer.nodeId !== node.id) out.push(`name ${user}`);
  return out;
}

for (const seed of SEEDS)
  test(`1,000 tries of members to take names and addresses of others: none changes hands (seed ${seed})`, (t) => {
    t.log(`seed ${seed}`);
    const world = new OverlayWorld({ seed, signatures: 'fake', settings: { ipv4Prefix: PREFIX } });
    const scene = set(world);
    t.deepEqual(new Set(scene.victims.map(({ address }) => address)).size, scene.victims.length);
    t.true(scene.victims.every(({ address, old }) => address !== '' && old.size === 3));
    t.true(scene.victims.filter(({ former }) => former !== undefined).length >= 4);
    const names = Object.keys(TRICKS);
    const tried = new Map<string, number>();
    const taken: string[] = [];
    let made = 0;
    for (let i = 0; made < TRIES; i++) {
      const name = names[i % names.length] ?? '';
      const victim = world.pick(scene.victims);
      const thief = world.pick(scene.thieves);
      const at = world.pick(world.peers);
      if (victim === undefined || thief === undefined || at === undefined) return t.fail();
      if (!thief.node.alive) thief.link(at);
      TRICKS[name]?.(scene, thief, victim);
      world.loop.run(500);
      taken.push(...stolen(scene, victim).map((what) => `${name}: ${what}`));
      // Of an address that nobody had before there is no old claim to repeat.
      if (name === 'the expired claim of the former holder' && victim.former === undefined) continue;
      made += 1;
      tried.set(name, (tried.get(name) ?? 0) + 1);
    }
    t.is(tried.size, names.length, 'each trick was tried');
    world.loop.run(20 * 60_000);
    for (const victim of scene.victims) {
      taken.push(...stolen(scene, victim));
      const found = fetchFrom(world, victim.node, resourceOf(ipv4ResourceName(victim.address)), IDLOC_IPV4.id);
      t.true(found.ok && found.values[0]?.signer.nodeId === victim.node.id, `${victim.address} is not found`);
    }
    t.log([...tried].map(([name, count]) => `${count} ${name}`).join(', '));
    t.deepEqual(taken, []);
  });

test('a peer that has lost all it knew of an address asks its replicas before it believes another’s claim', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake', settings: { ipv4Prefix: PREFIX } });
  const scene = set(world);
  for (const victim of scene.victims) {
    const resource = resourceOf(ipv4ResourceName(victim.address));
    const responsible = world.nodes.get(world.responsible(resource) ?? '');
    const thief = scene.thieves.find((member) => choiceOf(victim.address, member) >= 0);
    if (responsible === undefined || thief === undefined) return t.fail();
    world.run(responsible, () => responsible.overlay.forgetWriters([victim.node.id]));
    // Of the present: what is refused for its age alone is no reason to ask anyone.
    put(scene, thief, IDLOC_IPV4, resource, single(claimOn(victim.address, thief)), [wall(world)]);
    world.loop.run(5_000);
    const found = fetchFrom(world, victim.node, resource, IDLOC_IPV4.id);
    t.true(found.ok && found.values[0]?.signer.nodeId === victim.node.id);
    t.is(victim.names.ipv4, victim.address);
  }
});

test('tombstones dated ahead on a free address keep nobody from claiming it', (t) => {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, signatures: 'fake', settings: { ipv4Prefix: PREFIX } });
  const hosts = growNamed(
    world,
    Array.from({ length: 6 }, (_, i) => `user${i}@example.net`),
  );
  world.settle(30_000);
  const [host] = hosts;
  const at = world.pick(world.peers);
  if (host === undefined || at === undefined) return t.fail();
  const scene: Scene = { world, victims: [], others: [], thieves: [] };
  const address = ipv4Choice(parseIpv4Prefix(PREFIX), host.node.id, 0);
  const place = resourceOf(ipv4ResourceName(address));
  const now = wall(world);
  let sent = 0;
  // Also members whose choice it is.
  while (sent < 6) {
    const thief = new RawMember(world, at);
    if (sent < 3 && choiceOf(address, thief) < 0) continue;
    put(scene, thief, IDLOC_IPV4, place, single(nothing, false), [
      now,
      now + 590_000,
      now + 3_600_000,
      now + 29 * DAY_MS,
    ]);
    sent += 1;
  }
  world.loop.run(5_000);
  world.run(host.node, (at) => host.names.claimIpv4({ prefix: PREFIX }, at));
  world.loop.run(10_000);
  t.is(host.names.ipv4, address);
  const found = fetchFrom(world, hosts.at(-1)?.node ?? host.node, place, IDLOC_IPV4.id);
  t.true(found.ok && found.values[0]?.signer.nodeId === host.node.id);
});
