import { fromHex } from '../../../src/base/bytes.ts';
import { ERROR_CODES, KIND_IDS, encodeUnknownKinds, toIceCandidates } from '../../../src/reload/index.ts';
import type { KnownBody, MessageName, Signature, StoredData } from '../../../src/reload/index.ts';

export const NODE_A = '545e0a773ec48f4a1de91ffd4232f9ed';
export const NODE_B = 'c3b4c6e6cf419e8d8545656b69f01821';
export const RESOURCE = '6df379fb05075b13ada5f9d9ae9fbaa0';

/** Values with four bytes of nonsense where a signature would be. */
export const SIGNATURE: Signature = {
  hashAlgorithm: 4,
  signatureAlgorithm: 3,
  identity: { type: 'cert_hash', hashAlgorithm: 4, hash: fromHex('ab'.repeat(32)) },
  value: fromHex('deadbeef'),
};

const ICE = {
  ufrag: '8hhY',
  pwd: 'asd88fgpdd777uzjYhagZg',
  candidates: toIceCandidates([
    { type: 'host', address: { address: '10.0.0.1', port: 50000 }, priority: 2130706431, foundation: '1' },
    {
      type: 'srflx',
      address: { address: '203.0.113.7', port: 61000 },
      priority: 1694498815,
      foundation: '2',
      relatedAddress: { address: '10.0.0.1', port: 50000 },
    },
    {
      type: 'relay',
      address: { address: '2001:db8::7', port: 49152 },
      priority: 16777215,
      foundation: '3',
      relatedAddress: { address: '203.0.113.7', port: 61000 },
      extensions: [{ name: 'generation', value: '0' }],
    },
  ]),
};

function stored(value: StoredData['value']): StoredData {
  return { storageTime: 1_700_000_000_123n, lifetime: 86_400, value, signature: SIGNATURE };
}

const VALUES = [
  {
    kind: KIND_IDS.turnService,
    values: [stored({ model: 'single', exists: true, value: fromHex('010106c000020117c4') })],
  },
  {
    kind: KIND_IDS.sipRegistration,
    values: [
      stored({
        model: 'dictionary',
        key: fromHex(NODE_A),
        exists: true,
        value: fromHex(`020016000000120110${NODE_A}`),
      }),
      stored({ model: 'dictionary', key: fromHex(NODE_B), exists: false, value: fromHex('') }),
    ],
  },
];

const SPECIFIERS = [
  { kind: KIND_IDS.turnService, generation: 0n, specifier: { model: 'single' } },
  {
    kind: KIND_IDS.certificateByUser,
    generation: 4n,
    specifier: {
      model: 'array',
      ranges: [
        { first: 0, last: 1 },
        { first: 5, last: 0xffffffff },
      ],
    },
  },
] as const;

/** A body with something in every field, for every message code. */
export const SAMPLES: { readonly [T in MessageName]: KnownBody & { readonly type: T } } = {
  probe_req: { type: 'probe_req', requestedInfo: [1, 2, 3] },
  probe_ans: {
    type: 'probe_ans',
    info: [
      { type: 'responsible_set', responsiblePpb: 250_000_000 },
      { type: 'num_resources', numResources: 12 },
      { type: 'uptime', uptime: 3600 },
    ],
  },
  attach_req: { type: 'attach_req', ...ICE, role: 'passive', sendUpdate: true },
  attach_ans: { type: 'attach_ans', ...ICE, role: 'active', sendUpdate: false },
  store_req: {
    type: 'store_req',
    resource: RESOURCE,
    replicaNumber: 1,
    kindData: VALUES.map((data) => ({ ...data, generationCounter: 3n })),
  },
  store_ans: {
    type: 'store_ans',
    kindResponses: [{ kind: KIND_IDS.sipRegistration, generationCounter: 8n, replicas: [NODE_A, NODE_B] }],
  },
  fetch_req: { type: 'fetch_req', resource: RESOURCE, specifiers: SPECIFIERS },
  fetch_ans: { type: 'fetch_ans', kindResponses: VALUES.map((data) => ({ ...data, generation: 9n })) },
  find_req: { type: 'find_req', resource: RESOURCE, kinds: [KIND_IDS.turnService, KIND_IDS.sipRegistration] },
  find_ans: {
    type: 'find_ans',
    results: [
      { kind: KIND_IDS.turnService, closest: RESOURCE },
      { kind: KIND_IDS.sipRegistration, closest: '00' },
    ],
  },
  join_req: { type: 'join_req', joiningPeerId: NODE_A, overlaySpecificData: fromHex('c0ffee') },
  join_ans: { type: 'join_ans', overlaySpecificData: fromHex('c0ffee') },
  leave_req: {
    type: 'leave_req',
    leavingPeerId: NODE_A,
    leaveData: { type: 'from_succ', successors: [NODE_A, NODE_B] },
  },
  leave_ans: { type: 'leave_ans' },
  update_req: {
    type: 'update_req',
    update: { type: 'full', uptime: 3600, predecessors: [NODE_A], successors: [NODE_B, NODE_A], fingers: [NODE_B] },
  },
  update_ans: { type: 'update_ans' },
  route_query_req: {
    type: 'route_query_req',
    sendUpdate: true,
    destination: { type: 'resource', resourceId: RESOURCE },
    overlaySpecificData: fromHex(''),
  },
  route_query_ans: { type: 'route_query_ans', nextPeer: NODE_B },
  ping_req: { type: 'ping_req', padding: new Uint8Array(300) },
  ping_ans: { type: 'ping_ans', responseId: 0xfedcba9876543210n, time: 1_700_000_000_123n },
  stat_req: { type: 'stat_req', resource: RESOURCE, specifiers: SPECIFIERS },
  stat_ans: {
    type: 'stat_ans',
    kindResponses: [
      {
        kind: KIND_IDS.certificateByUser,
        generation: 2n,
        values: [
          {
            storageTime: 1_700_000_000_123n,
            lifetime: 86_400,
            metadata: {
              model: 'array',
              index: 1,
              exists: true,
              valueLength: 771,
              hashAlgorithm: 4,
              hash: fromHex('cd'.repeat(32)),
            },
          },
        ],
      },
    ],
  },
  app_attach_req: { type: 'app_attach_req', ...ICE, role: 'passive', application: 5060 },
  app_attach_ans: { type: 'app_attach_ans', ...ICE, role: 'active', application: 5060 },
  config_update_req: {
    type: 'config_update_req',
    content: { type: 'config', configData: Buffer.from('<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base"/>') },
  },
  config_update_ans: { type: 'config_update_ans' },
  exp_a_req: { type: 'exp_a_req', bytes: fromHex('01') },
  exp_a_ans: { type: 'exp_a_ans', bytes: fromHex('02') },
  exp_b_req: { type: 'exp_b_req', bytes: fromHex('03') },
  exp_b_ans: { type: 'exp_b_ans', bytes: fromHex('04') },
  error: { type: 'error', code: ERROR_CODES.unknown_kind, info: encodeUnknownKinds([0xf0000001]) },
};
