import test, { type ExecutionContext } from 'ava';
import { PhoneFiles } from '../../src/agent/phone-files/phone-files.ts';
import { documentPort } from '../../src/agent/user-documents/document-port.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { seededRandom } from '../../src/base/random.ts';
import { HostIdentity } from '../../src/identity/host-identity.ts';
import { openDocument } from '../../src/identity/sealed-document.ts';
import { OwnDocuments, type LoadDone, type OwnDocument } from '../../src/overlay/own-documents.ts';
import { IDLOC_FILES } from '../../src/overlay/storage/kinds.ts';
import { growNamed } from '../sim/overlay/named-host.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { settled } from '../sim/overlay/records.ts';
import { MemoryState, awaited, passing } from '../sim/voice-mail/mail-host.ts';

const SEED = 20261201;
const OVERLAY = 'overlay.example.net';
const ALICE = `alice@${OVERLAY}`;
const MALLORY = `mallory@${OVERLAY}`;
const ACCOUNTS = Buffer.from('<sip:alice@home.example>;auth_pass=geheim\n');

/** Peers with names. Messages are as large as in every overlay. */
function ring(t: ExecutionContext, users: readonly (string | null)[]): { world: OverlayWorld; nodes: SimNode[] } {
  t.log(`seed ${SEED}`);
  const world = new OverlayWorld({ seed: SEED, settings: { maxMessageBytes: 5_000 } });
  const hosts = growNamed(world, users);
  for (const { node, names } of hosts) {
    const { user } = node;
    if (user !== null) world.run(node, (now) => names.claimName(user, now));
  }
  world.loop.run(10_000);
  return { world, nodes: hosts.map(({ node }) => node) };
}

function identityOf({ enrolled }: SimNode): HostIdentity {
  if (!(enrolled.identity instanceof HostIdentity)) throw new TypeError('nobody can seal for a fake identity');
  return enrolled.identity;
}

/** A simulated host with the files of its user's phones. */
function filesOf(world: OverlayWorld, node: SimNode, state = new MemoryState()): PhoneFiles {
  return new PhoneFiles({
    overlay: documentPort(
      {
        node: () => (node.alive && node.overlay.state === 'joined' ? node.overlay : undefined),
        user: () => node.user,
        isRevoked: () => false,
        run: (input) => {
          world.run(node, input);
        },
      },
      IDLOC_FILES,
    ),
    identity: identityOf(node),
    state,
    clock: world.clockOf(node.id),
    random: seededRandom(world.random.uint32()),
    logger: silentLogger,
    after: world.timersOf(node),
  });
}

/** What the peers hold of a host's files, as anybody may read it. */
function stored(world: OverlayWorld, by: SimNode, of: SimNode): OwnDocument | undefined {
  const documents = new OwnDocuments({ overlay: by.overlay }, { kind: IDLOC_FILES });
  const result = settled<Parameters<LoadDone>[0]>(world, by, (now, done) => documents.load(ALICE, of.id, now, done));
  return result.ok ? result.document : undefined;
}

test('alice saves a file at one host, switches that off, and has it at the other; a stranger reads nothing of what the peers hold', async (t) => {
  const { world, nodes } = ring(t, [null, null, null, ALICE, ALICE, MALLORY]);
  const [, , , phone, laptop, mallory] = nodes;
  if (phone === undefined || laptop === undefined || mallory === undefined) return void t.fail();
  const atPhone = filesOf(world, phone);
  await awaited(world, atPhone.save('baresip/accounts', ACCOUNTS));
  const large = seededRandom(SEED).bytes(60_000);
  await awaited(world, atPhone.save('ringtone', large));
  t.is(atPhone.problem, null);
  world.leave(phone);
  await passing(world, 10_000);
  const atLaptop = filesOf(world, laptop);
  t.deepEqual(Buffer.from((await awaited(world, atLaptop.read('baresip/accounts'))).content), ACCOUNTS);
  t.deepEqual(new Uint8Array((await awaited(world, atLaptop.read('ringtone'))).content), new Uint8Array(large));
  const document = stored(world, mallory, phone);
  if (document === undefined) return void t.fail('anybody may ask for what is stored');
  const context = `phone-files ${ALICE} ${phone.id} ${document.savedAt}`;
  t.truthy(await openDocument(document.content, identityOf(laptop), context));
  t.is(await openDocument(document.content, identityOf(mallory), context), undefined);
  t.false(Buffer.from(document.content).includes('geheim'));
  const atMallory = filesOf(world, mallory);
  await awaited(world, atMallory.upToDate());
  t.deepEqual(atMallory.list, []);
});

test('a host that alice gets later has her files within a minute of being met, and one that comes back with its key alone has them at once', async (t) => {
  const { world, nodes } = ring(t, [null, null, null, ALICE, ALICE]);
  const [first, , , phone, tablet] = nodes;
  if (first === undefined || phone === undefined || tablet === undefined) return void t.fail();
  world.leave(tablet);
  await passing(world, 10_000);
  const atPhone = filesOf(world, phone);
  await awaited(world, atPhone.save('accounts', ACCOUNTS));
  const back = world.comeBack(tablet);
  world.join(back, first);
  await passing(world, 10_000);
  const atTablet = filesOf(world, back);
  atTablet.joined();
  atPhone.seen({ hit: back.id, user: ALICE });
  await passing(world, 60_000);
  t.deepEqual(
    atTablet.list.map(({ name }) => name),
    ['accounts'],
  );
  atPhone.stop();
  const reinstalled = filesOf(world, phone, new MemoryState());
  t.deepEqual(Buffer.from((await awaited(world, reinstalled.read('accounts'))).content), ACCOUNTS);
});
