import test from 'ava';
import { OwnDocuments, type LoadDone, type OwnDocument } from '../../src/overlay/own-documents.ts';
import { type DocumentKind, IDLOC_FILES, IDLOC_OWN } from '../../src/overlay/storage/kinds.ts';
import { maxDocumentBytes } from '../../src/overlay/storage/own-part.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { settled } from '../sim/overlay/records.ts';

const SEED = 20261129;
const ALICE = 'alice@overlay.example.net';

/** Four peers, two of which are hosts of alice. */
function world(): { world: OverlayWorld; phone: SimNode; laptop: SimNode; peers: SimNode[] } {
  // As the configuration document has it: documents are to fit the messages of every overlay.
  const made = new OverlayWorld({ seed: SEED, settings: { maxMessageBytes: 5_000 } });
  const [phone, laptop] = [made.add('peer', ALICE), made.add('peer', ALICE)];
  made.create(phone);
  const peers = [phone, laptop, made.add(), made.add()];
  for (const node of peers.slice(1)) {
    made.join(node, phone);
    made.loop.run(1_000);
  }
  made.settle(30_000);
  return { world: made, phone, laptop, peers };
}

const bytes = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
const of = (content: Uint8Array, savedAt: number, slot = 0): OwnDocument => ({ content, savedAt, slot });

function save(world: OverlayWorld, node: SimNode, document: OwnDocument, kind: DocumentKind = IDLOC_OWN): boolean {
  const documents = new OwnDocuments({ overlay: node.overlay }, { kind });
  return settled<{ ok: boolean }>(world, node, (now, done) => documents.save(ALICE, document, now, done)).ok;
}

function load(
  world: OverlayWorld,
  node: SimNode,
  from: SimNode,
  kind: DocumentKind = IDLOC_OWN,
): OwnDocument | string | undefined {
  const documents = new OwnDocuments({ overlay: node.overlay }, { kind });
  const result = settled<Parameters<LoadDone>[0]>(world, node, (now, done) =>
    documents.load(ALICE, from.id, now, done),
  );
  return result.ok ? result.document : result.error.code;
}

for (const [kind, other] of [
  [IDLOC_OWN, IDLOC_FILES],
  [IDLOC_FILES, IDLOC_OWN],
] as const)
  for (const length of [0, 100, 5_000, maxDocumentBytes(kind.parts)])
    test(`${kind.name}: a document of ${length} bytes is found by the other host of its user, and that one has none`, (t) => {
      const { world: net, phone, laptop } = world();
      const document = of(bytes(length), 1_000);
      t.true(save(net, phone, document, kind));
      t.deepEqual(load(net, laptop, phone, kind), document);
      t.is(load(net, laptop, laptop, kind), undefined);
      t.is(load(net, laptop, phone, other), undefined, 'nor one of another sort');
    });

test('the latest is found, and the one before while the latest is not whole', (t) => {
  const { world: net, phone, laptop } = world();
  const [first, second] = [of(bytes(5_000), 1_000, 0), of(bytes(6_000, 2), 2_000, 1)];
  t.true(save(net, phone, first));
  // It dies after the first store.
  let sent = 0;
  const overlay = Object.create(phone.overlay, {
    store: {
      value: (...args: Parameters<typeof phone.overlay.store>) => {
        sent += 1;
        if (sent === 1) phone.overlay.store(...args);
      },
    },
  }) as typeof phone.overlay;
  net.run(phone, (now) => new OwnDocuments({ overlay }, { kind: IDLOC_OWN }).save(ALICE, second, now, () => {}));
  net.loop.run(2_000);
  t.is(sent, 2);
  t.deepEqual(load(net, laptop, phone), first);
  t.true(save(net, phone, second));
  t.deepEqual(load(net, laptop, phone), second);
  const third = of(bytes(100, 3), 3_000, 0);
  t.true(save(net, phone, third));
  t.deepEqual(load(net, laptop, phone), third);
});

test('a host of another user cannot store in the name of this one', (t) => {
  const { world: net, laptop, peers } = world();
  const [, , stranger] = peers;
  if (stranger === undefined) return t.fail();
  t.false(save(net, stranger, of(bytes(10), 1_000)));
  t.is(load(net, laptop, stranger), undefined);
});

test('a document outlives the death of any one peer', (t) => {
  const { world: net, phone, laptop, peers } = world();
  const document = of(bytes(20_000), 1_000);
  t.true(save(net, phone, document));
  net.loop.run(5_000);
  const [, , victim] = peers;
  if (victim === undefined) return t.fail();
  net.crash(victim);
  net.loop.run(60_000);
  t.deepEqual(load(net, laptop, phone), document);
});
