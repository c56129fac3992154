import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import { IDLOC_HOST, IDLOC_NAME } from '../../../../src/overlay/storage/kinds.ts';
import {
  ERROR_CODES,
  type KnownBody,
  type MessageBody,
  type StoredDataValue,
  dataSignatureInput,
} from '../../../../src/reload/index.ts';
import { type RawMember, rawPair } from '../../../sim/overlay/raw-member.ts';

const WALL = 1_700_000_000_000n;
const USER = 'alice@overlay.example.net';

function errorOf([body]: readonly MessageBody[]): number | undefined {
  return body?.type === 'error' ? body.code : undefined;
}

function storeRequest(
  raw: RawMember,
  over: { resource?: string; kind?: number; replicaNumber?: number; value?: StoredDataValue } = {},
): KnownBody {
  const resource = over.resource ?? resourceIdOf(fromHex(raw.id));
  const kind = over.kind ?? IDLOC_HOST.id;
  const value = over.value ?? { model: 'single', exists: true, value: Uint8Array.of(1) };
  const signature = raw.signing.signValue((identity) => dataSignatureInput(resource, kind, WALL, value, identity));
  return {
    type: 'store_req',
    resource,
    replicaNumber: over.replicaNumber ?? 0,
    kindData: [{ kind, generationCounter: 0n, values: [{ storageTime: WALL, lifetime: 100, value, signature }] }],
  };
}

test('Probe tells the part of the ring, the number of resources and the uptime, in the order asked for', (t) => {
  const { raw, world } = rawPair();
  raw.send(storeRequest(raw));
  world.loop.run(5_000);
  const [answer] = raw.send({ type: 'probe_req', requestedInfo: [3, 1, 77, 2] });
  if (answer?.type !== 'probe_ans') return t.fail();
  t.deepEqual(answer.info.slice(1), [
    { type: 'responsible_set', responsiblePpb: 1_000_000_000 },
    { type: 'num_resources', numResources: 1 },
  ]);
  t.is(answer.info[0]?.type, 'uptime');
});

test('RouteQuery names the next peer, and this one when there is none', (t) => {
  const { raw, node } = rawPair();
  const ask = (destination: Parameters<typeof query>[0]): string | undefined => {
    const [answer] = raw.send(query(destination));
    return answer?.type === 'route_query_ans' ? answer.nextPeer : undefined;
  };
  t.is(ask({ type: 'resource', resourceId: resourceIdOf('x') }), node.id);
  t.is(ask({ type: 'node', nodeId: node.id }), node.id);
  t.is(ask({ type: 'node', nodeId: raw.id }), raw.id);
  t.is(
    errorOf(raw.send(query({ type: 'opaque', opaqueId: Uint8Array.of(0x80, 1), compact: true }))),
    ERROR_CODES.not_found,
  );
});

test('RouteQuery with send_update is followed by an Update', (t) => {
  const { raw, node } = rawPair();
  const request = { ...query({ type: 'node', nodeId: node.id }), sendUpdate: true };
  // The Update for the link that came up is still unanswered: the next one waits for it.
  t.deepEqual(
    raw.send(request).map(({ type }) => type),
    ['route_query_ans'],
  );
  t.deepEqual(
    raw.answerFirst({ type: 'update_ans' }).map(({ type }) => type),
    ['update_req'],
  );
});

test('Join, Leave and Update are taken from their own sender over its own link alone', (t) => {
  const { raw } = rawPair();
  const data = new Uint8Array();
  const other = `20010022${'7'.repeat(24)}`;
  t.is(errorOf(raw.send({ type: 'join_req', joiningPeerId: other, overlaySpecificData: data })), ERROR_CODES.forbidden);
  t.is(errorOf(raw.send({ type: 'leave_req', leavingPeerId: other })), ERROR_CODES.forbidden);
  const viaList = [{ type: 'node' as const, nodeId: raw.id }];
  const update = { type: 'update_req' as const, update: { type: 'peer_ready' as const, uptime: 1 } };
  t.is(errorOf(raw.send(update, { viaList })), ERROR_CODES.forbidden);
  t.is(raw.send(update)[0]?.type, 'update_ans');
});

test('a Join is granted and an Update names the newcomer as predecessor', (t) => {
  const { raw, node, world } = rawPair();
  const join = { type: 'join_req' as const, joiningPeerId: raw.id, overlaySpecificData: new Uint8Array() };
  t.is(raw.send(join)[0]?.type, 'join_ans');
  t.deepEqual(node.overlay.snapshot(world.now).predecessors, [raw.id]);
});

test('a Leave takes the peer out of the ring', (t) => {
  const { raw, node, world } = rawPair();
  raw.send({ type: 'update_req', update: { type: 'peer_ready', uptime: 1 } });
  t.deepEqual(node.overlay.snapshot(world.now).successors, [raw.id]);
  t.is(raw.send({ type: 'leave_req', leavingPeerId: raw.id })[0]?.type, 'leave_ans');
  t.deepEqual(node.overlay.snapshot(world.now).successors, []);
});

test('an Update that a Leave has overtaken does not bring the peer back; a new link does', (t) => {
  const { raw, node, world } = rawPair();
  const update = { type: 'update_req' as const, update: { type: 'peer_ready' as const, uptime: 1 } };
  raw.send(update);
  raw.send({ type: 'leave_req', leavingPeerId: raw.id });
  raw.send(update);
  t.deepEqual(node.overlay.snapshot(world.now).successors, []);
  raw.link(node);
  raw.send(update);
  t.deepEqual(node.overlay.snapshot(world.now).successors, [raw.id]);
});

test('an AppAttach for an application that is not served is refused', (t) => {
  const { raw } = rawPair();
  const offer = { ufrag: 'u', pwd: 'p', role: 'passive' as const, candidates: [] };
  t.is(errorOf(raw.send({ type: 'app_attach_req', ...offer, application: 5060 })), ERROR_CODES.not_found);
  t.is(raw.send({ type: 'app_attach_req', ...offer, application: 61_441 })[0]?.type, 'app_attach_ans');
});

test('a configuration document that nobody here can check is refused', (t) => {
  const { raw } = rawPair();
  const content = { type: 'config' as const, configData: Buffer.from('<overlay/>') };
  t.is(
    errorOf(raw.send({ type: 'config_update_req', content }, { configurationSequence: 65_535 })),
    ERROR_CODES.forbidden,
  );
});

test('a value is stored once, however often the request comes', (t) => {
  const { raw } = rawPair();
  const header = raw.header();
  const payload = raw.signing.seal(header.transactionId, storeRequest(raw));
  const [first] = raw.sendPayload(header, payload);
  const [again] = raw.sendPayload(header, payload);
  t.is(first?.type, 'store_ans');
  t.deepEqual(again, first);
  t.is(errorOf(raw.send(storeRequest(raw))), ERROR_CODES.data_too_old);
});

test('Store refuses an unknown Kind, a place that is not the writer’s and a value that another signed', (t) => {
  const { raw } = rawPair();
  t.is(errorOf(raw.send(storeRequest(raw, { kind: 0xf0000042 }))), ERROR_CODES.unknown_kind);
  t.is(errorOf(raw.send(storeRequest(raw, { resource: resourceIdOf('elsewhere') }))), ERROR_CODES.forbidden);
  t.is(errorOf(raw.send(storeRequest(raw, { resource: '00' }))), ERROR_CODES.invalid_message);
  const request = storeRequest(raw);
  if (request.type !== 'store_req') return t.fail();
  const [data] = request.kindData;
  const [stored] = data?.values ?? [];
  if (data === undefined || stored === undefined) return t.fail();
  const altered = { ...stored, storageTime: WALL + 1n };
  t.is(errorOf(raw.send({ ...request, kindData: [{ ...data, values: [altered] }] })), ERROR_CODES.forbidden);
});

test('Fetch and Stat give what was stored, with the writer’s certificate, and Find the place', (t) => {
  const { raw } = rawPair(USER);
  const resource = resourceIdOf(USER);
  const value: StoredDataValue = { model: 'dictionary', key: fromHex(raw.id), exists: true, value: Uint8Array.of(9) };
  raw.send(storeRequest(raw, { resource, kind: IDLOC_NAME.id, value }));
  const specifiers = [
    { kind: IDLOC_NAME.id, generation: 0n, specifier: { model: 'dictionary' as const, keys: [] } },
    { kind: IDLOC_HOST.id, generation: 0n, specifier: { model: 'single' as const } },
  ];
  const [fetched] = raw.send({ type: 'fetch_req', resource, specifiers });
  if (fetched?.type !== 'fetch_ans') return t.fail();
  t.deepEqual(fetched.kindResponses[0]?.values[0]?.value, value);
  t.false(fetched.kindResponses[1]?.values[0]?.value.exists);
  const unchanged = specifiers.map((specifier) => ({ ...specifier, generation: 1n })).slice(0, 1);
  const [same] = raw.send({ type: 'fetch_req', resource, specifiers: unchanged });
  t.is(same?.type === 'fetch_ans' && same.kindResponses[0]?.values.length, 0);
  const [stat] = raw.send({ type: 'stat_req', resource, specifiers });
  t.is(stat?.type === 'stat_ans' && stat.kindResponses[0]?.values[0]?.metadata.valueLength, 1);
  const [find] = raw.send({ type: 'find_req', resource: resourceIdOf('near'), kinds: [IDLOC_NAME.id, IDLOC_HOST.id] });
  t.deepEqual(find?.type === 'find_ans' && find.results.map(({ closest }) => closest), [resource, '00']);
});

test('a specifier of another data model is an invalid message', (t) => {
  const { raw } = rawPair();
  const specifiers = [{ kind: 0xf0000042, generation: 0n, specifier: { model: 'single' as const } }];
  t.is(errorOf(raw.send({ type: 'fetch_req', resource: resourceIdOf('x'), specifiers })), ERROR_CODES.unknown_kind);
  t.is(errorOf(raw.send({ type: 'stat_req', resource: resourceIdOf('x'), specifiers })), ERROR_CODES.unknown_kind);
});

function query(
  destination: Extract<KnownBody, { type: 'route_query_req' }>['destination'],
): Extract<KnownBody, { type: 'route_query_req' }> {
  return { type: 'route_query_req', sendUpdate: false, destination, overlaySpecificData: new Uint8Array() };
}
