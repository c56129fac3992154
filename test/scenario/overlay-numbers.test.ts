import test from 'ava';
import { fromHex } from '../../src/base/bytes.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { seededRandom } from '../../src/base/random.ts';
import { IDLOC_NUMBER } from '../../src/overlay/storage/kinds.ts';
import { encodeNumberValue, numberResourceName, numberToken } from '../../src/overlay/storage/number-value.ts';
import { type StoredDataValue, dataSignatureInput } from '../../src/reload/index.ts';
import { NumberDirectory } from '../../src/sip/usage/number-directory.ts';
import { marksOf, NUMBER_MARKS_RECORD, NumberRecords } from '../../src/sip/usage/number-records.ts';
import { SipRecords } from '../../src/sip/usage/sip-records.ts';
import { growNamed } from '../sim/overlay/named-host.ts';
import { OverlayWorld, type SimNode, resourceOf } from '../sim/overlay/overlay-world.ts';
import { RawMember } from '../sim/overlay/raw-member.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';

const SEED = 20261130;
const OVERLAY = 'overlay.example.net';
const OFFICE = `office@${OVERLAY}`;
const BOB = `bob@${OVERLAY}`;
const MALLORY = `mallory@${OVERLAY}`;
const NUMBER = '+49301234567';
const OTHER_NUMBER = '+49307654321';
const WALL_START = 1_700_000_000_000;
const placeOf = (number: string): string => resourceOf(numberResourceName(numberToken(OVERLAY, number), OFFICE));

interface Scene {
  readonly world: OverlayWorld;
  readonly office: SimNode;
  readonly alice: SimNode;
  readonly nodes: readonly SimNode[];
  /** What the gateway has given. */
  readonly given: Map<string, string>;
  readonly records: NumberRecords;
  readonly marks: SipRecords;
  /** As a host finds it that has named the gateway, or others. */
  readonly holder: (number: string, gateways?: readonly string[]) => string | undefined;
}

/** Eight peers: the gateway, alice, and others; the gateway's records are driven by ticks of their own. */
function scene(t: { log: (line: string) => void }): Scene {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED });
  const nodes = growNamed(world, [OFFICE, `alice@${OVERLAY}`, null, null, null, null, null, null]).map(
    ({ node }) => node,
  );
  const [office, alice] = nodes;
  if (office === undefined || alice === undefined) throw new Error('no hosts');
  const given = new Map<string, string>();
  const records = new NumberRecords({
    overlay: office.overlay,
    ports: { own: () => given },
    random: seededRandom(7),
    logger: silentLogger,
  });
  const marks = new SipRecords(
    {
      overlay: office.overlay,
      ports: { own: () => marksOf(OVERLAY, given.keys()) },
      random: seededRandom(8),
      logger: silentLogger,
    },
    NUMBER_MARKS_RECORD,
  );
  const tick = (): void => {
    if (!office.alive) return;
    for (const each of [records, marks])
      if ((each.nextTimeout() ?? Infinity) <= world.now) world.run(office, (now) => each.handleTimeout(now));
    world.loop.after(100, tick);
  };
  tick();
  const holder = (number: string, gateways: readonly string[] = [OFFICE]): string | undefined => {
    const directory = new NumberDirectory(
      {
        overlay: () => alice.overlay,
        after: (ms, then) => world.loop.after(ms, () => then(world.now)),
        own: () => undefined,
      },
      gateways,
    );
    return settled<{ user: string | undefined }>(world, alice, (now, done) =>
      directory.lookUp(number, now, (user) => done({ user })),
    ).user;
  };
  return { world, office, alice, nodes, given, records, marks, holder };
}

function give({ world, office, given, records, marks }: Scene, number: string, user: string | undefined): void {
  if (user === undefined) given.delete(number);
  else given.set(number, user);
  for (const each of [records, marks]) world.run(office, (now) => each.changed(now));
  world.loop.run(4_000);
}

test('a number is found by whoever has named the gateway, and by nobody else, until it is taken away', (t) => {
  const all = scene(t);
  const { holder } = all;
  t.is(holder(NUMBER), undefined);
  give(all, NUMBER, BOB);
  t.true(all.records.isStored(NUMBER) && all.marks.isStored);
  t.is(holder(NUMBER), BOB);
  t.is(holder(NUMBER, [MALLORY, OFFICE]), BOB);
  t.is(holder(NUMBER, [MALLORY]), undefined);
  give(all, NUMBER, `carol@${OVERLAY}`);
  t.is(holder(NUMBER), `carol@${OVERLAY}`);
  give(all, NUMBER, undefined);
  t.is(holder(NUMBER), undefined);
});

test('the gateway is off for longer than its records live: its numbers are nobody’s', (t) => {
  const all = scene(t);
  give(all, NUMBER, BOB);
  all.world.crash(all.office);
  all.world.loop.run(7_000_000);
  t.is(all.holder(NUMBER), BOB, 'for two hours they are');
  all.world.loop.run(400_000);
  t.is(all.holder(NUMBER), undefined);
});

test('no other member can give, take or fill up a number of the gateway, at any peer, whatever he writes and however he sends it', (t) => {
  const all = scene(t);
  const { world, nodes, holder } = all;
  give(all, NUMBER, BOB);
  const [, , entry] = nodes;
  if (entry === undefined) return void t.fail();
  const thief = new RawMember(world, entry, MALLORY);
  const nameless = new RawMember(world, entry, null);
  const entries = (by: RawMember): StoredDataValue[] =>
    [NUMBER, OTHER_NUMBER].flatMap((number) =>
      [
        { exists: true, value: encodeNumberValue({ token: numberToken(OVERLAY, number), user: MALLORY }) },
        { exists: false, value: encodeNumberValue({ token: numberToken(OVERLAY, number), user: null }) },
        { exists: false, value: new Uint8Array() },
      ].flatMap((data) =>
        [by.id, all.office.id].map((key) => ({ model: 'dictionary' as const, key: fromHex(key), ...data })),
      ),
    );
  let tries = 0;
  for (const by of [thief, nameless])
    for (const number of [NUMBER, OTHER_NUMBER])
      for (const value of entries(by))
        for (const ahead of [-1_000, 0, 500_000])
          for (const replicaNumber of [0, 1]) {
            const resource = placeOf(number);
            const storageTime = BigInt(WALL_START + world.now + ahead);
            const signature = by.signing.signValue((identity) =>
              dataSignatureInput(resource, IDLOC_NUMBER.id, storageTime, value, identity),
            );
            const values = [{ storageTime, lifetime: 7_200, value, signature }];
            const kindData = [{ kind: IDLOC_NUMBER.id, generationCounter: replicaNumber === 0 ? 0n : 9n, values }];
            const body = { type: 'store_req' as const, resource, replicaNumber, kindData };
            by.send(body, { destinationList: [{ type: 'resource', resourceId: resource }] });
            for (const { id } of nodes) by.send(body, { destinationList: [{ type: 'node', nodeId: id }] });
            tries += 1;
            world.loop.run(20);
          }
  world.loop.run(5_000);
  t.log(`${tries} tries`);
  t.is(holder(NUMBER), BOB);
  t.is(holder(OTHER_NUMBER), undefined);
  for (const number of [NUMBER, OTHER_NUMBER]) {
    const found = fetchFrom(world, all.alice, placeOf(number), IDLOC_NUMBER.id);
    const theirs = found.ok ? [...found.values.map(({ signer }) => signer), ...found.removed] : [];
    t.true(
      theirs.every(({ user }) => user === OFFICE),
      'nothing of others is stored',
    );
  }
  give(all, OTHER_NUMBER, BOB);
  t.is(holder(OTHER_NUMBER), BOB, 'the gateway writes there as before');
});
