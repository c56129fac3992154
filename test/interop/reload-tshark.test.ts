import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  MESSAGE_CODES,
  WHOLE_MESSAGE_FRAGMENT,
  contentsOf,
  encodeFrame,
  encodeMessage,
  fragmentMessage,
} from '../../src/reload/index.ts';
import type { ForwardingHeader, KnownBody, MessageName } from '../../src/reload/index.ts';
import { pcap, udp } from '../unit/reload/capture-file.ts';
import { NODE_A, NODE_B, RESOURCE, SAMPLES, SIGNATURE } from '../unit/reload/samples.ts';
import { vectorFile } from '../unit/reload/vectors.ts';

/** Wireshark's dissector reads what this codec writes: every message code, forwarding options, fragments and acks. */

const tshark = spawnSync('tshark', ['--version'], { encoding: 'utf8' });
const present = tshark.error === undefined && tshark.status === 0;
const testIf = present ? test : test.skip;
if (!present) console.log('skipped: tshark is not installed, RELOAD messages are not dissected by Wireshark');

const LINKTYPE_RAW = 101;

const HEADER: ForwardingHeader = {
  overlay: 0x9aa32b8d,
  configurationSequence: 7,
  ttl: 100,
  fragment: WHOLE_MESSAGE_FRAGMENT,
  transactionId: 0x0123456789abcdefn,
  maxResponseLength: 4096,
  viaList: [{ type: 'node', nodeId: NODE_A }],
  destinationList: [
    { type: 'node', nodeId: NODE_B },
    { type: 'resource', resourceId: RESOURCE },
  ],
  options: [],
};

/** A dissected packet: one line for every field, in order, and where the last one ends. */
interface Dissection {
  readonly lines: readonly string[];
  readonly end: number;
  readonly complaints: readonly string[];
}

function dissect(frames: readonly Uint8Array[]): Dissection[] {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-tshark-'));
  try {
    const file = join(folder, 'out.pcap');
    const packets = frames.map((frame) => udp(frame, 6));
    writeFileSync(file, pcap(LINKTYPE_RAW, true, packets));
    const { stdout, status } = spawnSync('tshark', ['-n', '-r', file, '-T', 'pdml'], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) throw new Error(`tshark ended with ${String(status)}`);
    return stdout.split('<packet>').slice(1).map(readPacket);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readPacket(pdml: string): Dissection {
  const lines: string[] = [];
  const complaints: string[] = [];
  let end = 0;
  // Of the RELOAD layers only: those below have their own fields.
  const layers = pdml.slice(Math.max(0, pdml.indexOf('<proto name="reload')));
  for (const [tag] of layers.matchAll(/<(?:field|proto) [^>]*>/g)) {
    const attribute = (name: string) => new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
    lines.push(attribute('showname').replace(/&lt;/g, '<').replace(/&gt;/g, '>'));
    end = Math.max(end, Number(attribute('pos')) + Number(attribute('size')));
    if (/_ws\.(malformed|expert|unreassembled)|Dissector bug/i.test(tag)) complaints.push(tag);
  }
  if (/Malformed Packet/.test(pdml)) complaints.push('Malformed Packet');
  return { lines, end, complaints };
}

/** Lines that the dissection must have, in this order; others may stand between. */
function missing(lines: readonly string[], wanted: readonly string[]): string | undefined {
  let at = 0;
  for (const want of wanted) {
    const found = lines.slice(at).findIndex((line) => line.startsWith(want));
    if (found < 0) return want;
    at += found + 1;
  }
  return undefined;
}

const TIME = 'storage_time (uint64): Nov 14, 2023 22:13:20.123000000 UTC';
const KIND = { turn: 'kind (KindId): 2 (TURN-SERVICE)', sip: 'kind (KindId): 1 (SIP-REGISTRATION)' };
const CANDIDATES = [
  'IceCandidate: host',
  'IPv4AddrPort: 10.0.0.1:50000',
  'overlay_link (OverlayLinkType): DTLS-UDP-SR (1)',
  'IceCandidate: srflx',
  'IPv4AddrPort: 203.0.113.7:61000',
  'rel_addr_port (IpAddressPort): IPV4 (10.0.0.1:50000)',
  'IceCandidate: relay',
  'IPv6AddrPort: 2001:db8::7:49152',
  'rel_addr_port (IpAddressPort): IPV4 (203.0.113.7:61000)',
  'extensions (IceExtensions<15>): 1 elements',
  'data (bytes): 67656e65726174696f6e',
];
const CREDENTIALS = ['data (string): 8hhY', 'data (string): asd88fgpdd777uzjYhagZg'];
const VALUES = [
  KIND.turn,
  TIME,
  'lifetime (uint32): 86400',
  'exists (Boolean): True',
  'server_address (IpAddressPort): IPV4 (192.0.2.1:6084)',
  'signature (SignatureAlgorithm): ECDSA (3)',
  'identity_type (SignerIdentityType): cert_hash (1)',
  'data (bytes): deadbeef',
  KIND.sip,
  `NodeId: ${NODE_A}`,
  'exists (Boolean): True',
  'type (SipRegistrationType): sip_registration_route (2)',
  `NodeId: ${NODE_B}`,
  'exists (Boolean): False',
];
const SPECIFIERS = [
  `data (bytes): ${RESOURCE}`,
  KIND.turn,
  'kind (KindId): 16 (CERTIFICATE_BY_USER)',
  'generation_counter (uint64): 4',
  'ArrayRange [0-1]',
  'ArrayRange [5-end]',
];

/** What Wireshark says of the body of each sample. It has no structure for the experimental ones. */
const EXPECTED: { readonly [T in MessageName]: readonly string[] } = {
  probe_req: ['requested_info (ProbeInformationType<3>): 3 elements', 'type (ProbeInformationType): uptime (0x03)'],
  probe_ans: ['responsible_ppb (uint32): 0x0ee6b280', 'num_resources (uint32): 12', 'uptime (uint32): 3600'],
  attach_req: [...CREDENTIALS, 'data (string): passive', ...CANDIDATES, 'send_update (Boolean): True'],
  attach_ans: [...CREDENTIALS, 'data (string): active', ...CANDIDATES, 'send_update (Boolean): False'],
  store_req: [`data (bytes): ${RESOURCE}`, 'replica_number (uint8): 1', ...VALUES],
  store_ans: [KIND.sip, 'generation_counter (uint64): 8', `NodeId: ${NODE_A}`, `NodeId: ${NODE_B}`],
  fetch_req: SPECIFIERS,
  fetch_ans: VALUES,
  find_req: [`data (bytes): ${RESOURCE}`, 'KindId: 2 (TURN-SERVICE)', 'KindId: 1 (SIP-REGISTRATION)'],
  find_ans: [KIND.turn, `data (bytes): ${RESOURCE}`, KIND.sip, 'data (bytes): 00'],
  join_req: [`joining_peer_id (NodeId): ${NODE_A}`, 'data (bytes): c0ffee'],
  join_ans: ['overlay_specific_data (opaque<3>)', 'data (bytes): c0ffee'],
  leave_req: [`leaving_peer_id (NodeId): ${NODE_A}`, 'ChordLeaveData', `NodeId: ${NODE_A}`, `NodeId: ${NODE_B}`],
  leave_ans: [],
  update_req: ['uptime (uint32): 3600', 'predecessors', NODE_A, 'successors', NODE_B, NODE_A, 'fingers', NODE_B].map(
    (line) => (/^[0-9a-f]{32}$/.test(line) ? `NodeId: ${line}` : line),
  ),
  update_ans: [],
  route_query_req: ['send_update (Boolean): True', 'destination (Destination): resource', `data (bytes): ${RESOURCE}`],
  route_query_ans: [`next_peer (NodeId): ${NODE_B}`],
  ping_req: ['padding (opaque<300>)'],
  ping_ans: ['response_id (uint64): 18364758544493064720', 'time (uint64): Nov 14, 2023 22:13:20.123000000 UTC'],
  stat_req: SPECIFIERS,
  stat_ans: [
    'kind (KindId): 16 (CERTIFICATE_BY_USER)',
    'generation_counter (uint64): 2',
    TIME,
    'index (uint32): 1',
    'exists (Boolean): True',
    'value_length (uint32): 771',
    `data (bytes): ${'cd'.repeat(32)}`,
  ],
  app_attach_req: [...CREDENTIALS, 'application (uint16): SIP (5060)', 'data (string): passive', ...CANDIDATES],
  app_attach_ans: [...CREDENTIALS, 'application (uint16): SIP (5060)', 'data (string): active', ...CANDIDATES],
  config_update_req: ['type (ConfigUpdateType): config (1)'],
  config_update_ans: [],
  exp_a_req: [],
  exp_a_ans: [],
  exp_b_req: [],
  exp_b_ans: [],
  error: ['error_code (uint16): Error_Unknown_Kind (12)', 'KindId: 4026531841'],
};

function messageBytes(body: KnownBody, header = HEADER): Uint8Array {
  const security = { certificates: [], signature: SIGNATURE };
  return encodeMessage({ header, contents: contentsOf(body), security });
}

testIf('Wireshark reads every message code, to the last byte and with our values', (t) => {
  const bodies = Object.values(SAMPLES);
  const frames = bodies.map((body, sequence) =>
    encodeFrame({
      type: 'data',
      sequence,
      message: messageBytes(body, { ...HEADER, transactionId: BigInt(sequence) }),
    }),
  );
  const dissections = dissect(frames);
  t.is(dissections.length, bodies.length);
  dissections.forEach(({ lines, end, complaints }, i) => {
    const body = bodies[i];
    if (body === undefined) return;
    t.deepEqual(complaints, [], body.type);
    t.is(end, (frames[i]?.length ?? 0) + 40 + 8, body.type);
    const wanted = [
      `sequence (uint32): ${i}`,
      'overlay (uint32): 0x9aa32b8d',
      'configuration_sequence (uint16): 7',
      'ttl (uint8): 100',
      'fragment (uint32): 0xc0000000 (Fragment) (Last)',
      `transaction_id (uint32): 0x${i.toString(16).padStart(16, '0')}`,
      `node_id (NodeId): ${NODE_A}`,
      `node_id (NodeId): ${NODE_B}`,
      `data (bytes): ${RESOURCE}`,
      body.type === 'error'
        ? 'message_code (uint16): Error'
        : `message_code (uint16): ${MESSAGE_CODES[body.type]} (${body.type})`,
      ...EXPECTED[body.type],
      'extensions (0 elements)',
      'SecurityBlock',
      'hash (HashAlgorithm): SHA256 (4)',
      `data (bytes): ${'ab'.repeat(32)}`,
      'data (bytes): deadbeef',
    ];
    t.is(missing(lines, wanted), undefined, `${body.type}\n${lines.join('\n')}`);
  });
});

testIf('Wireshark reads forwarding options, extensions, certificates and compact destinations', (t) => {
  const header: ForwardingHeader = {
    ...HEADER,
    viaList: [{ type: 'opaque', opaqueId: Uint8Array.of(0x8a, 0xbc), compact: true }],
    options: [{ type: 200, flags: 7, value: Uint8Array.of(1, 2, 3) }],
  };
  const extensions = [{ type: 1, critical: true, contents: Uint8Array.of(9) }];
  const identity = { type: 'cert_hash_node_id', hashAlgorithm: 4, hash: new Uint8Array(32) } as const;
  const certificate = vectorFile('certs/node-b-p256-two-ids.cert.der');
  const message = encodeMessage({
    header,
    contents: contentsOf(SAMPLES.ping_req, extensions),
    security: { certificates: [{ type: 0, certificate }], signature: { ...SIGNATURE, identity } },
  });
  const [dissection] = dissect([encodeFrame({ type: 'data', sequence: 0, message })]);
  t.deepEqual(dissection?.complaints, []);
  const lines = dissection?.lines ?? [];
  t.is(
    missing(lines, [
      'compressed_id (uint16): 0x8abc',
      'flags (uint8): 0x07',
      'extensions (1 elements)',
      'critical (Boolean): True',
      'identity_type (SignerIdentityType): cert_hash_node_id (2)',
    ]),
    undefined,
    lines.join('\n'),
  );
});

testIf('Wireshark puts our fragments together', (t) => {
  const body = { type: 'ping_req', padding: new Uint8Array(3000).fill(0x5a) } as const;
  const fragments = fragmentMessage(messageBytes(body), 1200);
  t.true(fragments.length >= 3);
  const frames = fragments.map((message, sequence) => encodeFrame({ type: 'data', sequence, message }));
  const dissections = dissect(frames);
  t.deepEqual(
    dissections.flatMap(({ complaints }) => complaints),
    [],
  );
  const last = dissections.at(-1)?.lines ?? [];
  t.is(missing(last, ['message_code (uint16): 23 (ping_req)', 'padding (opaque<3000>)']), undefined, last.join('\n'));
});

testIf('Wireshark reads our ack frame', (t) => {
  const data = encodeFrame({ type: 'data', sequence: 33, message: messageBytes(SAMPLES.ping_ans) });
  const dissections = dissect([data, encodeFrame({ type: 'ack', ackSequence: 33, received: 6 })]);
  const lines = dissections[1]?.lines ?? [];
  t.is(
    missing(lines, ['type (FramedMessageType): ACK (129)', 'ack_sequence (uint32): 33']),
    undefined,
    lines.join('\n'),
  );
});
