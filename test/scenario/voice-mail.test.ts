import test, { type ExecutionContext } from 'ava';
import { fromHex } from '../../src/base/bytes.ts';
import { IDLOC_MAIL, IDLOC_MAIL_PART, IDLOC_NAME } from '../../src/overlay/storage/kinds.ts';
import {
  encodeMail,
  encodeMailHead,
  encodeMailPart,
  mailPartName,
  mailboxPlaceName,
} from '../../src/overlay/storage/mail-value.ts';
import { HostIdentity } from '../../src/identity/host-identity.ts';
import { sealDocument } from '../../src/identity/sealed-document.ts';
import { headContext } from '../../src/agent/voice-mail/sealed-mail.ts';
import { type StoredDataValue, dataSignatureInput } from '../../src/reload/index.ts';
import { growNamed } from '../sim/overlay/named-host.ts';
import { OverlayWorld, type SimNode, resourceOf } from '../sim/overlay/overlay-world.ts';
import { RawMember } from '../sim/overlay/raw-member.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';
import { MailHost, type MailHostOptions, MemoryState, awaited, passing } from '../sim/voice-mail/mail-host.ts';
import { oggOfBytes } from '../sim/voice-mail/ogg.ts';

const SEED = 20261130;
const OVERLAY = 'overlay.example.net';
const BOB = `bob@${OVERLAY}`;
const CAROL = `carol@${OVERLAY}`;
const MALLORY = `mallory@${OVERLAY}`;
const WALL_START = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const TAKES = { settings: { ringSeconds: 20, maxSeconds: 120 } };

const recording = (
  length: number,
  seed = 1,
  from = CAROL,
): { ogg: Uint8Array; seconds: number; at: number; from: string } => ({
  ...{ ogg: oggOfBytes(length, seed), seconds: 12, at: WALL_START + 60_000, from },
});

/** Peers with names; those that stay are the last ones. Messages are as large as in every overlay. */
function ring(
  t: ExecutionContext,
  users: readonly (string | null)[],
  settings: Partial<OverlayWorld['settings']> = {},
): { world: OverlayWorld; nodes: SimNode[] } {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, settings: { maxMessageBytes: 5_000, ...settings } });
  const hosts = growNamed(world, users);
  for (const { node, names } of hosts) {
    const { user } = node;
    if (user !== null) world.run(node, (now) => names.claimName(user, now));
  }
  world.loop.run(10_000);
  return { world, nodes: hosts.map(({ node }) => node) };
}

function host(world: OverlayWorld, node: SimNode | undefined, options?: MailHostOptions): MailHost {
  if (node === undefined) throw new Error('no node');
  return new MailHost(world, node, options);
}

/** Where her one message is. */
function carolsPlace(world: OverlayWorld, { node }: MailHost): number {
  const places = Array.from({ length: 8 }, (_, place) => place);
  return places.findIndex((place) => {
    const found = fetchFrom(world, node, resourceOf(mailboxPlaceName(place, BOB)), IDLOC_MAIL.id);
    return found.ok && found.values.some(({ signer }) => signer.nodeId === node.id);
  });
}

/** Switched on again, with its key and its state directory. */
async function back(
  world: OverlayWorld,
  { node, state }: MailHost,
  by: SimNode,
  options?: MailHostOptions,
): Promise<MailHost> {
  const again = world.comeBack(node);
  world.join(again, by);
  await passing(world, 10_000);
  return new MailHost(world, again, { ...options, state });
}

test('carol leaves a message while bob is off, and goes off herself; bob comes, hears it byte by byte, removes it, and his other host sees that', async (t) => {
  const { world, nodes } = ring(t, [BOB, BOB, CAROL, null, null, null]);
  const [bobsPhone, bobsLaptop, carols, , , stays] = nodes;
  if (stays === undefined) return void t.fail();
  let phone = host(world, bobsPhone, TAKES);
  const laptop = host(world, bobsLaptop);
  const carol = host(world, carols);
  await awaited(world, phone.mail.sync());
  world.leave(phone.node);
  await passing(world, 5_000);
  const offer = await awaited(world, carol.mail.offerOf('Bob@Overlay.Example.net'));
  t.like(offer, { ringMs: 20_000, maxSeconds: 120 });
  t.is(await awaited(world, offer?.greeting() ?? Promise.reject(new Error('none'))), undefined);
  t.is(await awaited(world, carol.mail.offerOf(CAROL)), undefined, 'she takes none herself');
  const said = recording(60_000);
  await awaited(world, carol.mail.leave(BOB, said));
  t.deepEqual([...carol.state.files.keys()], ['voice-mail.json'], 'it does not wait on her disk any more');
  world.leave(carol.node);
  await passing(world, 20_000);
  phone = await back(world, phone, stays, TAKES);
  const counts: unknown[] = [];
  phone.mail.onChange((count) => counts.push(count));
  const [message, ...others] = await awaited(world, phone.mail.list());
  t.like(message, { from: CAROL, at: said.at, seconds: 12, isNew: true });
  t.is(others.length, 0);
  const { id = '' } = message ?? {};
  t.deepEqual(await awaited(world, phone.mail.read(id)), said.ogg);
  await awaited(world, phone.mail.markHeard([id, 'ffffffffffffffff']));
  t.deepEqual(counts, [
    { new: 1, old: 0 },
    { new: 0, old: 1 },
  ]);
  t.like((await awaited(world, laptop.mail.list()))[0], { id, isNew: true });
  t.deepEqual(await awaited(world, laptop.mail.read(id)), said.ogg, 'the other host opens it too');
  await awaited(world, phone.mail.remove([id]));
  t.deepEqual(counts.at(-1), { new: 0, old: 0 });
  t.deepEqual(await awaited(world, phone.mail.list()), []);
  await passing(world, 6_000);
  t.deepEqual(await awaited(world, laptop.mail.list()), []);
  await t.throwsAsync(awaited(world, phone.mail.read(id)), { code: 'no_such_message' });
});

for (const victim of [0, 1, 2, 3, 4])
  test(`a message outlives the death of peer ${victim} of five; the first is bob's, the second carol's`, async (t) => {
    const { world, nodes } = ring(t, [BOB, CAROL, null, null, null]);
    const bob = host(world, nodes[0], TAKES);
    const said = recording(30_000, victim);
    await awaited(world, host(world, nodes[1]).mail.leave(BOB, said));
    await passing(world, 5_000);
    const [dead, stays] = [nodes[victim], nodes[4 - victim] ?? nodes[4]];
    if (dead === undefined || stays === undefined) return void t.fail();
    world.crash(dead);
    await passing(world, 60_000);
    const reader = victim === 0 ? await back(world, bob, stays, TAKES) : bob;
    const [message] = await awaited(world, reader.mail.list());
    t.deepEqual(await awaited(world, reader.mail.read(message?.id ?? '')), said.ogg);
  });

test('what was said is not lost when the overlay cannot be reached, nor when the agent ends before it can be', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, null, null]);
  const bob = host(world, nodes[0], TAKES);
  let carol = host(world, nodes[1]);
  const stays = nodes[2];
  if (stays === undefined) return void t.fail();
  const apart = world.separated;
  world.separated = (a, b) => (a === carol.node.id) !== (b === carol.node.id);
  const said = recording(5_000);
  const leaving = t.throwsAsync(carol.mail.leave(BOB, said), { code: 'stopped' });
  await passing(world, 60_000);
  t.true(carol.state.files.has('voice-mail.out.0'));
  await carol.mail.stop();
  await leaving;
  world.crash(carol.node);
  world.separated = apart;
  await passing(world, 30_000);
  carol = await back(world, carol, stays);
  t.deepEqual(await awaited(world, bob.mail.list()), []);
  carol.mail.joined();
  await passing(world, 30_000);
  const [message, ...others] = await awaited(world, bob.mail.list());
  t.is(others.length, 0);
  t.deepEqual(await awaited(world, bob.mail.read(message?.id ?? '')), said.ogg);
  t.false(carol.state.files.has('voice-mail.out.0'));
});

test('a greeting is heard by whoever calls, a new one after it was changed, and nothing when voice mail is switched off', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, null]);
  const carol = host(world, nodes[1]);
  const state = new MemoryState();
  const greetings: (Uint8Array | undefined)[] = [];
  for (const greeting of [oggOfBytes(65_536), oggOfBytes(20_000, 2), undefined]) {
    const bob = host(world, nodes[0], {
      state,
      settings: { ringSeconds: 20, maxSeconds: 60, ...(greeting && { greeting }) },
    });
    await awaited(world, bob.mail.sync());
    await bob.mail.stop();
    // What was asked a moment ago is not asked again.
    await passing(world, 61_000);
    const offer = await awaited(world, carol.mail.offerOf(BOB));
    greetings.push(await awaited(world, offer?.greeting() ?? Promise.reject(new Error('no offer'))));
  }
  t.deepEqual(greetings, [oggOfBytes(65_536), oggOfBytes(20_000, 2), undefined]);
  const off = host(world, nodes[0], { state });
  await awaited(world, off.mail.sync());
  await passing(world, 61_000);
  t.is(await awaited(world, carol.mail.offerOf(BOB)), undefined);
});

test('peers that had a greeting are gone: after a new join it is there again', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, null]);
  const greeting = oggOfBytes(20_000);
  const bob = host(world, nodes[0], { settings: { ringSeconds: 20, maxSeconds: 60, greeting } });
  await awaited(world, bob.mail.sync());
  // As if nobody had kept them.
  for (let index = 0; index < 10; index++) {
    const name = mailPartName(bob.node.id, 0, index);
    const gone = encodeMailPart({ slot: 0, index, count: 10, savedAt: 1, content: new Uint8Array() });
    const value = { model: 'single' as const, exists: false, value: gone };
    const spec = { resource: resourceOf(name), kind: IDLOC_MAIL_PART.id, value, lifetimeS: 60 };
    t.true(settled<{ ok: boolean }>(world, bob.node, (now, done) => bob.node.overlay.store(spec, now, done)).ok);
  }
  const carol = host(world, nodes[1]);
  const heard = async (): Promise<Uint8Array | undefined> => (await carol.mail.offerOf(BOB))?.greeting();
  t.is(await awaited(world, heard()), undefined);
  bob.mail.joined();
  await passing(world, 70_000);
  t.deepEqual(await awaited(world, heard()), greeting);
});

test('a host that leaves while it announces its mailbox has none afterwards, and says no more of it', async (t) => {
  for (const [greeting, afterMs] of [
    [undefined, 0],
    [oggOfBytes(65_536), 0],
    [oggOfBytes(65_536), 200],
    [oggOfBytes(5_000), 60_000],
  ] as const) {
    const { world, nodes } = ring(t, [BOB, CAROL, null]);
    const bob = host(world, nodes[0], { settings: { ringSeconds: 20, maxSeconds: 60, ...(greeting && { greeting }) } });
    const syncing = bob.mail.sync();
    await passing(world, afterMs);
    t.true(await awaited(world, bob.mail.resign()));
    await awaited(world, syncing);
    bob.mail.joined();
    await passing(world, 400_000);
    t.is(await awaited(world, host(world, nodes[1]).mail.offerOf(BOB)), undefined);
  }
});

test('whoever calls is who the signature says; what a host says of a caller counts where it is a gateway that this host has named', async (t) => {
  const OFFICE = `office@${OVERLAY}`;
  const { world, nodes } = ring(t, [BOB, CAROL, OFFICE, MALLORY]);
  const bob = host(world, nodes[0], { ...TAKES, gateways: [OFFICE], blocked: [MALLORY] });
  const [carol, office, mallory] = [host(world, nodes[1]), host(world, nodes[2]), host(world, nodes[3])];
  for (const [by, from] of [
    [carol, '+49301234567'],
    [carol, BOB],
    [office, '+49301234567'],
    [office, CAROL],
    [office, 'zoe@provider.example'],
    [office, `x@phones.${OVERLAY}`],
    [office, 'somebody\u001b[2J'],
    [mallory, MALLORY],
  ] as const) {
    await awaited(world, by.mail.leave(BOB, { ...recording(500, 1, from), at: WALL_START + world.now }));
    await passing(world, 100);
  }
  const shown = (await awaited(world, bob.mail.list())).map(({ from }) => from);
  t.deepEqual(shown, [CAROL, CAROL, '+49301234567', OFFICE, 'zoe@provider.example', OFFICE, OFFICE]);
});

test('what a blocked member has left is taken away, and after an hour what no host of the user can open; what another of his hosts can open stays', async (t) => {
  const { world, nodes } = ring(t, [BOB, BOB, CAROL, MALLORY, null]);
  const bob = host(world, nodes[0], { ...TAKES, blocked: [MALLORY] });
  const laptop = host(world, nodes[1]);
  const [carol, mallory] = [host(world, nodes[2]), host(world, nodes[3])];
  await awaited(world, mallory.mail.leave(BOB, recording(500)));
  await awaited(world, carol.mail.leave(BOB, recording(500)));
  const leave = async (place: number, recipients: readonly Uint8Array[]): Promise<void> => {
    const head = { at: WALL_START, seconds: 3, parts: { slot: 2, savedAt: 1, count: 1 }, from: '' };
    const id = '0123456789abcdef';
    const context = headContext(BOB, carol.node.id, id);
    const sealed = await sealDocument(encodeMailHead(head), recipients, context, world.random);
    const value = {
      ...{ model: 'dictionary' as const, key: fromHex(carol.node.id), exists: true },
      value: encodeMail({ place, user: BOB, id, sealed }),
    };
    const spec = { resource: resourceOf(mailboxPlaceName(place, BOB)), kind: IDLOC_MAIL.id, value, lifetimeS: 86_400 };
    t.true(settled<{ ok: boolean }>(world, carol.node, (now, done) => carol.node.overlay.store(spec, now, done)).ok);
  };
  const { identity } = laptop.node.enrolled;
  if (!(identity instanceof HostIdentity)) return void t.fail();
  const taken = carolsPlace(world, carol);
  const [lost, elsewhere] = [(taken + 1) % 8, (taken + 2) % 8];
  await leave(lost, [HostIdentity.generate().spki]);
  await leave(elsewhere, [identity.spki]);
  const standing = (): string[] =>
    Array.from({ length: 8 }, (_, place) => place).flatMap((place) => {
      const found = fetchFrom(world, carol.node, resourceOf(mailboxPlaceName(place, BOB)), IDLOC_MAIL.id);
      return found.ok ? found.values.map(({ signer }) => `${place} ${signer.user ?? ''}`) : [];
    });
  t.is(standing().length, 4);
  await awaited(world, bob.mail.sync());
  t.deepEqual(standing().toSorted(), [taken, lost, elsewhere].map((place) => `${place} ${CAROL}`).toSorted());
  await passing(world, 3_700_000);
  await awaited(world, bob.mail.sync());
  t.deepEqual(standing().toSorted(), [`${taken} ${CAROL}`, `${elsewhere} ${CAROL}`].toSorted());
  t.is((await awaited(world, bob.mail.list())).length, 1);
  t.is((await awaited(world, laptop.mail.list())).length, 2);
});

test('a host leaves eight messages in a mailbox; of the ninth it is told before that there is no room, others have some; when it is emptied the ninth arrives', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, `dan@${OVERLAY}`, null]);
  const bob = host(world, nodes[0], TAKES);
  const [carol, dan] = [host(world, nodes[1]), host(world, nodes[2])];
  const haveRoom = (): Promise<boolean[]> =>
    awaited(world, Promise.all([carol, dan].map(({ mail }) => mail.hasRoomFor('Bob@overlay.example.net', 0))));
  for (let i = 0; i < 8; i++) {
    t.deepEqual(await haveRoom(), [true, true]);
    await awaited(world, carol.mail.leave(BOB, recording(3_000, i)));
  }
  t.deepEqual(await haveRoom(), [false, true]);
  t.true(await awaited(world, carol.mail.hasRoomFor(`dan@${OVERLAY}`, 0)));
  // Who has spoken all the same.
  const ninth = carol.mail.leave(BOB, recording(3_000, 9));
  await passing(world, 60_000);
  t.true(carol.state.files.has('voice-mail.out.0'));
  await awaited(world, dan.mail.leave(BOB, recording(3_000, 10)));
  const messages = await awaited(world, bob.mail.list());
  t.is(messages.length, 9);
  const theirs = messages.filter(({ from }) => from === CAROL).map(({ id }) => id);
  await awaited(world, bob.mail.remove(theirs));
  // What was taken away makes room as soon as it is asked for.
  t.deepEqual(await haveRoom(), [true, true]);
  await awaited(world, carol.mail.leave(BOB, recording(3_000, 11)));
  await awaited(world, ninth);
  t.false(carol.state.files.has('voice-mail.out.0'));
  await passing(world, 6_000);
  const rest = await awaited(world, bob.mail.list());
  t.is(rest.length, 3);
  const partOf = (slot: number): number | undefined => {
    const found = fetchFrom(world, carol.node, resourceOf(mailPartName(carol.node.id, slot, 0)), IDLOC_MAIL_PART.id);
    return found.ok ? found.values.length : undefined;
  };
  t.deepEqual(
    Array.from({ length: 8 }, (_, i) => partOf(2 + i)),
    [1, 1, 0, 0, 0, 0, 0, 0],
    'the parts of what was heard are gone',
  );
  await awaited(world, bob.mail.remove(rest.map(({ id }) => id)));
  carol.mail.joined();
  await passing(world, 30_000);
  t.is(partOf(2), 0, 'also where nothing asks for the room');
});

test('a host that has used up its room: its name is renewed as ever, nothing of the refused message stays in the overlay, and it arrives when there is room', async (t) => {
  // A sixteenth of it is a writer's at each of the three peers.
  const { world, nodes } = ring(t, [BOB, CAROL, null], { maxStoredBytes: 4 * 1024 * 1024 });
  const bob = host(world, nodes[0], TAKES);
  const carol = host(world, nodes[1]);
  await awaited(world, carol.mail.leave(BOB, recording(150_000, 1)));
  const second = carol.mail.leave(BOB, recording(150_000, 2));
  await passing(world, 30_000);
  t.true(carol.state.files.has('voice-mail.out.0'), 'it waits for room');
  const part = fetchFrom(world, bob.node, resourceOf(mailPartName(carol.node.id, 3, 0)), IDLOC_MAIL_PART.id);
  t.true(part.ok && part.values.length === 0);
  const named = (): number => {
    const found = fetchFrom(world, bob.node, resourceOf(CAROL), IDLOC_NAME.id);
    return found.ok ? Math.max(...found.values.map(({ storageTime }) => storageTime)) : 0;
  };
  const before = named();
  const value = { model: 'dictionary' as const, key: fromHex(carol.node.id), exists: true, value: Uint8Array.of(1) };
  const name = { resource: resourceOf(CAROL), kind: IDLOC_NAME.id, value, lifetimeS: 600 };
  const stored = settled<{ ok: boolean }>(world, carol.node, (now, done) => carol.node.overlay.store(name, now, done));
  t.true(stored.ok && named() > before);
  const [message] = await awaited(world, bob.mail.list());
  t.deepEqual(await awaited(world, bob.mail.read(message?.id ?? '')), recording(150_000, 1).ogg);
  await awaited(world, bob.mail.remove([message?.id ?? '']));
  carol.mail.joined();
  await awaited(world, second);
  const [next] = await awaited(world, bob.mail.list());
  t.deepEqual(await awaited(world, bob.mail.read(next?.id ?? '')), recording(150_000, 2).ogg);
});

test('no third member reads, takes away or replaces a message, or writes under the key of another, however he sends it', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, null, null, null]);
  const bob = host(world, nodes[0], TAKES);
  const carol = host(world, nodes[1]);
  const said = recording(3_000);
  await awaited(world, carol.mail.leave(BOB, said));
  const entry = nodes[2];
  if (entry === undefined) return void t.fail();
  const thief = new RawMember(world, entry, MALLORY);
  const places = Array.from({ length: 8 }, (_, place) => place);
  const values = places.flatMap((place): { resource: string; kind: number; value: StoredDataValue }[] => {
    const resource = resourceOf(mailboxPlaceName(place, BOB));
    return [carol.node.id, bob.node.id].flatMap((key) =>
      [Uint8Array.of(1), new Uint8Array()].flatMap((sealed) =>
        [true, false].map((exists) => ({
          ...{ resource, kind: IDLOC_MAIL.id },
          value: {
            ...{ model: 'dictionary' as const, key: fromHex(key), exists },
            value: encodeMail({ place, user: BOB, id: '0123456789abcdef', sealed }),
          },
        })),
      ),
    );
  });
  const gone = { model: 'single' as const, exists: false, value: new Uint8Array() };
  const part = { resource: resourceOf(mailPartName(carol.node.id, 2, 0)), kind: IDLOC_MAIL_PART.id, value: gone };
  let tries = 0;
  for (const { resource, kind, value } of [...values, part])
    for (const replicaNumber of [0, 1]) {
      const storageTime = BigInt(WALL_START + world.now + 1_000);
      const signature = thief.signing.signValue((identity) =>
        dataSignatureInput(resource, kind, storageTime, value, identity),
      );
      const stored = [{ storageTime, lifetime: 7_200, value, signature }];
      const kindData = [{ kind, generationCounter: replicaNumber === 0 ? 0n : 9n, values: stored }];
      const body = { type: 'store_req' as const, resource, replicaNumber, kindData };
      thief.send(body, { destinationList: [{ type: 'resource', resourceId: resource }] });
      for (const { id } of nodes) thief.send(body, { destinationList: [{ type: 'node', nodeId: id }] });
      tries += 1;
      await passing(world, 20);
    }
  await passing(world, 2_000);
  t.log(`${tries} tries`);
  const [message, ...others] = await awaited(world, bob.mail.list());
  t.is(others.length, 0);
  t.deepEqual(await awaited(world, bob.mail.read(message?.id ?? '')), said.ogg);
});

for (const [who, ahead] of [
  ['the caller', [0, 300_000]],
  ['the called host', [300_000, 0]],
] as const)
  test(`the clock of ${who} is five minutes ahead: messages are removed at once all the same, and the next one arrives`, async (t) => {
    const { world, nodes } = ring(t, [BOB, CAROL, null]);
    const bob = host(world, nodes[0], TAKES);
    const carol = host(world, nodes[1]);
    [bob.node.wallOffsetMs, carol.node.wallOffsetMs] = ahead;
    for (const seed of [1, 2]) {
      await awaited(world, carol.mail.leave(BOB, recording(3_000, seed)));
      await passing(world, 6_000);
      const [message, ...others] = await awaited(world, bob.mail.list());
      t.is(others.length, 0);
      const { id = '' } = message ?? {};
      t.deepEqual(await awaited(world, bob.mail.read(id)), recording(3_000, seed).ogg);
      await awaited(world, bob.mail.remove([id]));
    }
    await passing(world, 6_000);
    t.deepEqual(await awaited(world, bob.mail.list()), []);
  });

test('a host that is cut off shows what it has seen and says that this may not be all; one that has seen nothing says so', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, null, null]);
  const bob = host(world, nodes[0], TAKES);
  const late = host(world, nodes[0]);
  const carol = host(world, nodes[1]);
  await awaited(world, carol.mail.leave(BOB, recording(3_000)));
  const [message] = await awaited(world, bob.mail.list());
  await t.throwsAsync(awaited(world, host(world, nodes[2]).mail.list()), { code: 'no_mailbox' });
  const together = world.separated;
  world.separated = (a, b) => (a === bob.node.id) !== (b === bob.node.id);
  await passing(world, 6_000);
  t.deepEqual(await awaited(world, bob.mail.list()), message === undefined ? undefined : [message]);
  await passing(world, 16_000);
  t.regex(bob.mail.problem ?? '', /not all of the mailbox can be seen now/);
  await t.throwsAsync(awaited(world, late.mail.list()), { code: 'mail_unavailable' });
  await t.throwsAsync(awaited(world, bob.mail.read(message?.id ?? '')), { code: 'mail_unavailable' });
  world.separated = together;
  await passing(world, 60_000);
  t.is((await awaited(world, bob.mail.list())).length, 1);
  t.is(bob.mail.problem, null);
  t.deepEqual(await awaited(world, bob.mail.read(message?.id ?? '')), recording(3_000).ogg);
});

test('a message is shown for two weeks', async (t) => {
  const { world, nodes } = ring(t, [BOB, CAROL, null]);
  const bob = host(world, nodes[0], TAKES);
  const carol = host(world, nodes[1]);
  await awaited(world, carol.mail.leave(BOB, recording(3_000)));
  t.is((await awaited(world, bob.mail.list())).length, 1);
  await passing(world, 6_000);
  // Whatever peers do that hold on to it.
  bob.node.wallOffsetMs = 14 * DAY_MS;
  t.deepEqual(await awaited(world, bob.mail.list()), []);
});
