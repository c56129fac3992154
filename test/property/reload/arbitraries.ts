import { fc } from '@fast-check/ava';
import { addressFromBytes } from '../../../src/base/ip-address.ts';
import { contentsOf, registeredDataModel } from '../../../src/reload/index.ts';
import type {
  DataModel,
  Destination,
  ForwardingHeader,
  IceCandidate,
  IceOffer,
  KnownBody,
  Message,
  MessageContents,
  MetaDataValue,
  SecurityBlock,
  Signature,
  SignerIdentity,
  StoredData,
  StoredDataSpecifier,
  StoredDataValue,
  StoredMetaData,
} from '../../../src/reload/index.ts';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
const opaque = (maxLength = 60) => fc.uint8Array({ maxLength });
const hex = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes).toString('hex'));
const nodeId = hex(16, 16);
const nodeIds = fc.array(nodeId, { maxLength: 5 });
const resourceId = fc.oneof(hex(16, 16), hex(0, 254));
/** Three Kinds with a data model each, and any other. */
const kind = fc.oneof(fc.constantFrom(1, 2, 3), u32);

const node: fc.Arbitrary<Destination> = fc.record({ type: fc.constant('node'), nodeId });
const resource: fc.Arbitrary<Destination> = fc.record({ type: fc.constant('resource'), resourceId: hex(0, 253) });
const opaqueId: fc.Arbitrary<Destination> = fc.oneof(
  fc.record({ type: fc.constant('opaque'), opaqueId: opaque(), compact: fc.constant(false) }),
  fc
    .tuple(fc.integer({ min: 0x80, max: 0xff }), u8)
    .map(([high, low]) => ({ type: 'opaque', opaqueId: Uint8Array.of(high, low), compact: true }) as const),
);
const unknownDestination: fc.Arbitrary<Destination> = fc.record({
  type: fc.constant('unknown'),
  code: fc.integer({ min: 4, max: 127 }),
  data: opaque(),
});
const hop = fc.oneof(node, opaqueId, unknownDestination);

const header: fc.Arbitrary<ForwardingHeader> = fc.record({
  overlay: u32,
  configurationSequence: u16,
  ttl: u8,
  fragment: fc.constant(0xc0000000),
  transactionId: u64,
  maxResponseLength: u32,
  viaList: fc.array(hop, { maxLength: 6 }),
  destinationList: fc
    .tuple(fc.array(hop, { maxLength: 4 }), fc.option(resource))
    .map(([hops, last]) => (last === null ? hops : [...hops, last])),
  options: fc.array(fc.record({ type: fc.integer({ min: 1, max: 255 }), flags: u8, value: opaque() }), {
    maxLength: 4,
  }),
});

const identity: fc.Arbitrary<SignerIdentity> = fc.oneof(
  fc.record({ type: fc.constantFrom('cert_hash', 'cert_hash_node_id'), hashAlgorithm: u8, hash: opaque() }),
  fc.constant({ type: 'none' } as const),
  fc.record({ type: fc.constant('unknown'), code: fc.integer({ min: 4, max: 255 }), value: opaque() }),
);
const signature: fc.Arbitrary<Signature> = fc.record({
  hashAlgorithm: u8,
  signatureAlgorithm: u8,
  identity,
  value: opaque(300),
});
const security: fc.Arbitrary<SecurityBlock> = fc.record({
  certificates: fc.array(fc.record({ type: u8, certificate: opaque(500) }), { maxLength: 3 }),
  signature,
});

const address = fc
  .tuple(
    fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((bytes) => addressFromBytes(bytes).includes(':')),
    ),
    u16,
  )
  .map(([bytes, port]) => ({ address: addressFromBytes(bytes), port }));
const iceText = (minLength: number, maxLength: number) =>
  fc.stringMatching(/^[A-Za-z0-9+/]*$/, { maxLength }).filter(({ length }) => length >= minLength);
const candidate: fc.Arbitrary<IceCandidate> = fc
  .record({
    base: fc.record({ address, overlayLink: u8, foundation: iceText(1, 32), priority: u32 }),
    type: fc.constantFrom('host', 'srflx', 'relay'),
    relatedAddress: address,
    extensions: fc.array(fc.record({ name: iceText(0, 20), value: fc.stringMatching(/^[!-~]*$/) }), { maxLength: 3 }),
  })
  .map(({ base, type, relatedAddress, extensions }) => ({
    ...base,
    type,
    ...(type !== 'host' && { relatedAddress }),
    ...(extensions.length > 0 && { extensions }),
  }));
const offer: fc.Arbitrary<IceOffer> = fc.record({
  ufrag: iceText(0, 200),
  pwd: iceText(0, 200),
  role: fc.constantFrom('active', 'passive', 'actpass'),
  candidates: fc.array(candidate, { maxLength: 6 }),
});

const dataValue = fc.record({ exists: fc.boolean(), value: opaque(200) });
function valueOf(model: DataModel): fc.Arbitrary<StoredDataValue> {
  return fc.tuple(dataValue, u32, opaque()).map(([data, index, key]) => {
    if (model === 'array') return { model, index, ...data };
    return model === 'dictionary' ? { model, key, ...data } : { model, ...data };
  });
}
function metaDataOf(model: DataModel): fc.Arbitrary<MetaDataValue> {
  const meta = fc.record({ exists: fc.boolean(), valueLength: u32, hashAlgorithm: u8, hash: opaque() });
  return fc.tuple(meta, u32, opaque()).map(([data, index, key]) => {
    if (model === 'array') return { model, index, ...data };
    return model === 'dictionary' ? { model, key, ...data } : { model, ...data };
  });
}
const storedData = (model: DataModel): fc.Arbitrary<StoredData> =>
  fc.record({ storageTime: u64, lifetime: u32, value: valueOf(model), signature });
const storedMetaData = (model: DataModel): fc.Arbitrary<StoredMetaData> =>
  fc.record({ storageTime: u64, lifetime: u32, metadata: metaDataOf(model) });

/** The values of a Kind as its data model, known or not, has them. */
function valuesOf<T>(of: number, item: (model: DataModel) => fc.Arbitrary<T>) {
  const model = registeredDataModel(of);
  return model === undefined
    ? opaque(200).map((opaqueValues) => ({ values: [] as T[], opaqueValues }))
    : fc.array(item(model), { maxLength: 3 }).map((values) => ({ values }));
}
const kindResponses = <T>(item: (model: DataModel) => fc.Arbitrary<T>) =>
  fc.array(
    kind.chain((of) =>
      fc.tuple(u64, valuesOf(of, item)).map(([generation, values]) => ({ kind: of, generation, ...values })),
    ),
    { maxLength: 4 },
  );
const kindData = fc.uniqueArray(
  kind.chain((of) =>
    fc
      .tuple(u64, valuesOf(of, storedData))
      .map(([generationCounter, values]) => ({ kind: of, generationCounter, ...values })),
  ),
  { maxLength: 4, selector: (data) => data.kind },
);

const ranges = fc
  .uniqueArray(u32, { maxLength: 8 })
  .map((numbers) => numbers.sort((a, b) => a - b))
  .map((numbers) => numbers.flatMap((first, i) => (i % 2 === 0 ? [{ first, last: numbers[i + 1] ?? first }] : [])));
const specifier: fc.Arbitrary<StoredDataSpecifier> = kind.chain((of): fc.Arbitrary<StoredDataSpecifier> => {
  const record = (specifierOf: fc.Arbitrary<StoredDataSpecifier['specifier']>) =>
    fc.record({ kind: fc.constant(of), generation: u64, specifier: specifierOf });
  switch (registeredDataModel(of)) {
    case 'single':
      return record(fc.constant({ model: 'single' }));
    case 'array':
      return record(ranges.map((list) => ({ model: 'array', ranges: list })));
    case 'dictionary':
      return record(fc.array(opaque(), { maxLength: 4 }).map((keys) => ({ model: 'dictionary', keys })));
    case undefined:
      return record(opaque().map((bytes) => ({ model: 'opaque', bytes })));
  }
});
const query = fc.record({ resource: resourceId, specifiers: fc.array(specifier, { maxLength: 4 }) });

const of = <T extends string>(type: T) => fc.constant(type);
export const body: fc.Arbitrary<KnownBody> = fc.oneof(
  fc.record({ type: of('probe_req'), requestedInfo: fc.array(u8, { maxLength: 10 }) }),
  fc.record({
    type: of('probe_ans'),
    info: fc.array(
      fc.oneof(
        fc.record({ type: of('responsible_set'), responsiblePpb: u32 }),
        fc.record({ type: of('num_resources'), numResources: u32 }),
        fc.record({ type: of('uptime'), uptime: u32 }),
        fc.record({ type: of('unknown'), code: fc.integer({ min: 4, max: 255 }), value: opaque() }),
      ),
      { maxLength: 5 },
    ),
  }),
  fc
    .tuple(offer, fc.constantFrom('attach_req', 'attach_ans'), fc.boolean())
    .map(([ice, type, sendUpdate]) => ({ type, ...ice, sendUpdate })),
  fc
    .tuple(offer, fc.constantFrom('app_attach_req', 'app_attach_ans'), u16)
    .map(([ice, type, application]) => ({ type, ...ice, application })),
  fc.record({ type: of('store_req'), resource: resourceId, replicaNumber: u8, kindData }),
  fc.record({
    type: of('store_ans'),
    kindResponses: fc.array(fc.record({ kind, generationCounter: u64, replicas: nodeIds }), { maxLength: 4 }),
  }),
  query.map((fields) => ({ type: 'fetch_req', ...fields }) as const),
  query.map((fields) => ({ type: 'stat_req', ...fields }) as const),
  fc.record({ type: of('fetch_ans'), kindResponses: kindResponses(storedData) }),
  fc.record({ type: of('stat_ans'), kindResponses: kindResponses(storedMetaData) }),
  fc.record({ type: of('find_req'), resource: resourceId, kinds: fc.array(kind, { maxLength: 63 }) }),
  fc.record({ type: of('find_ans'), results: fc.array(fc.record({ kind, closest: resourceId }), { maxLength: 5 }) }),
  fc.record({ type: of('join_req'), joiningPeerId: nodeId, overlaySpecificData: opaque() }),
  fc.record({ type: of('join_ans'), overlaySpecificData: opaque() }),
  fc.record({ type: of('leave_req'), leavingPeerId: nodeId }),
  fc.record({
    type: of('leave_req'),
    leavingPeerId: nodeId,
    leaveData: fc.oneof(
      fc.record({ type: of('from_succ'), successors: nodeIds }),
      fc.record({ type: of('from_pred'), predecessors: nodeIds }),
    ),
  }),
  fc.record({
    type: of('update_req'),
    update: fc.oneof(
      fc.record({ type: of('peer_ready'), uptime: u32 }),
      fc.record({ type: of('neighbors'), uptime: u32, predecessors: nodeIds, successors: nodeIds }),
      fc.record({ type: of('full'), uptime: u32, predecessors: nodeIds, successors: nodeIds, fingers: nodeIds }),
    ),
  }),
  fc.record({ type: fc.constantFrom('leave_ans', 'update_ans', 'config_update_ans') }),
  fc.record({
    type: of('route_query_req'),
    sendUpdate: fc.boolean(),
    destination: fc.oneof(hop, resource),
    overlaySpecificData: opaque(),
  }),
  fc.record({ type: of('route_query_ans'), nextPeer: nodeId }),
  fc.record({ type: of('ping_req'), padding: opaque(1000) }),
  fc.record({ type: of('ping_ans'), responseId: u64, time: u64 }),
  fc.record({
    type: of('config_update_req'),
    content: fc.oneof(
      fc.record({ type: of('config'), configData: opaque(500) }),
      fc.record({ type: of('kind'), kinds: fc.array(opaque(), { maxLength: 4 }) }),
      fc.record({ type: of('unknown'), code: fc.integer({ min: 3, max: 255 }), data: opaque() }),
    ),
  }),
  fc.record({ type: fc.constantFrom('exp_a_req', 'exp_a_ans', 'exp_b_req', 'exp_b_ans'), bytes: opaque() }),
  fc.record({ type: of('error'), code: u16, info: opaque() }),
);

const extensions = fc.array(
  fc.record({ type: fc.integer({ min: 1, max: 0xffff }), critical: fc.boolean(), contents: opaque() }),
  { maxLength: 3 },
);
/** Codes that RFC 6940 does not know, path_track of RFC 7851 among them. */
const unknownContents: fc.Arbitrary<MessageContents> = fc.record({
  code: fc.integer({ min: 0x27, max: 0xfffe }),
  body: fc.record({ type: of('unknown'), bytes: opaque() }),
  extensions,
});

export const message: fc.Arbitrary<Message> = fc.record({
  header,
  contents: fc.oneof(
    { weight: 20, arbitrary: fc.tuple(body, extensions).map(([known, list]) => contentsOf(known, list)) },
    { weight: 1, arbitrary: unknownContents },
  ),
  security,
});

export { header, hop, storedData };
