import test from 'ava';
import { ByteReader, ByteWriter, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import {
  MESSAGE_CODES,
  decodeBody,
  decodeGenerationCounters,
  decodeUnknownKinds,
  encodeBody,
  encodeGenerationCounters,
  encodeUnknownKinds,
  registeredDataModel,
} from '../../../src/reload/index.ts';
import type { KnownBody } from '../../../src/reload/index.ts';

const NODE = '545e0a773ec48f4a1de91ffd4232f9ed';

function encode(body: KnownBody): string {
  const writer = new ByteWriter();
  encodeBody(writer, body);
  return toHex(writer.finish());
}

function decode(type: keyof typeof MESSAGE_CODES, hex: string) {
  const envelope = { code: MESSAGE_CODES[type], bodyBytes: fromHex(hex), bodyOffset: 0 };
  return decodeBody(envelope, { dataModelOf: registeredDataModel });
}

test('bodies that no vector has are written as the structures of RFC 6940 say', (t) => {
  const bodies: [KnownBody, string][] = [
    [
      {
        type: 'update_req',
        update: { type: 'full', uptime: 1, predecessors: [NODE], successors: [], fingers: [NODE] },
      },
      `00000001030010${NODE}00000010${NODE}`,
    ],
    [
      { type: 'leave_req', leavingPeerId: NODE, leaveData: { type: 'from_succ', successors: [NODE, NODE] } },
      `${NODE}0023010020${NODE}${NODE}`,
    ],
    [{ type: 'leave_req', leavingPeerId: NODE }, `${NODE}0000`],
    [
      { type: 'config_update_req', content: { type: 'kind', kinds: [fromHex('aa'), fromHex('')] } },
      '02000000080000050001aa0000',
    ],
    [{ type: 'config_update_req', content: { type: 'unknown', code: 9, data: fromHex('aabb') } }, '0900000002aabb'],
    [
      {
        type: 'stat_req',
        resource: '464f4f',
        specifiers: [{ kind: 99, generation: 1n, specifier: { model: 'opaque', bytes: fromHex('aabb') } }],
      },
      '03464f4f001000000063' + '00000000000000010002aabb',
    ],
    [{ type: 'exp_a_req', bytes: fromHex('0102') }, '0102'],
    [{ type: 'exp_a_ans', bytes: fromHex('') }, ''],
    [{ type: 'exp_b_req', bytes: fromHex('03') }, '03'],
    [{ type: 'exp_b_ans', bytes: fromHex('04') }, '04'],
    [
      {
        type: 'app_attach_ans',
        ufrag: 'a',
        pwd: 'b',
        role: 'active',
        application: 5060,
        candidates: [],
      },
      '0161' + '0162' + '13c4' + '06616374697665' + '0000',
    ],
  ];
  for (const [body, hex] of bodies) {
    t.is(encode(body), hex);
    t.deepEqual(decode(body.type, hex), body);
  }
});

test('types that an extension could add are refused where RFC 6940 has no room for them', (t) => {
  const bad: [keyof typeof MESSAGE_CODES, string][] = [
    ['update_req', '0000000100'],
    ['update_req', '0000000104'],
    ['leave_req', `${NODE}000303` + '0000'],
    ['leave_req', `${NODE}00040100` + '0000'],
    ['config_update_req', '0000000000'],
    ['config_update_req', '010000000400000000'],
    ['probe_ans', '00020000'],
    ['probe_ans', '000401020000'],
    ['probe_ans', '00070105000000' + '0000'],
    ['update_ans', '00'],
    ['store_ans', '000e000000010000000000000001' + '0001' + 'aa'],
    ['route_query_ans', NODE.slice(2)],
    ['ping_req', ''],
    ['error', '0002'],
  ];
  for (const [type, hex] of bad)
    t.throws(() => decode(type, hex), { instanceOf: MalformedMessageError }, `${type} ${hex}`);
});

test('a store that names a Kind twice is refused', (t) => {
  const kind = '00000002' + '0000000000000000' + '00000000';
  t.is(decode('store_req', '00' + '00' + '00000010' + kind).type, 'store_req');
  t.throws(() => decode('store_req', '00' + '00' + '00000020' + kind + kind), { instanceOf: MalformedMessageError });
});

test('the information of the two errors that have a structure is read and written', (t) => {
  t.is(toHex(encodeUnknownKinds([0xf0000001, 0xf0000002])), '08f0000001f0000002');
  t.deepEqual(decodeUnknownKinds(fromHex('08f0000001f0000002')), [0xf0000001, 0xf0000002]);
  const counters = [{ kind: 1, generationCounter: 12n, replicas: [] }];
  t.is(toHex(encodeGenerationCounters(counters)), '000e00000001000000000000000c0000');
  t.deepEqual(decodeGenerationCounters(fromHex('000e00000001000000000000000c0000')), counters);
  for (const hex of ['0800000001', '03f00000', '0400000001ff'])
    t.throws(() => decodeUnknownKinds(fromHex(hex)), { instanceOf: MalformedMessageError });
});

test('a huge length field costs no more than the bytes that came', (t) => {
  const huge = 'ffffffff';
  for (const [type, hex] of [
    ['store_req', '0000' + huge],
    ['fetch_ans', huge],
    ['stat_ans', huge],
    ['config_update_req', '01' + huge],
    ['store_req', '0000' + '00000010' + '00000002' + '0000000000000000' + huge],
  ] as const)
    t.throws(() => decode(type, hex), { instanceOf: MalformedMessageError });
});

test('bodies with numbers or texts that do not fit are not written', (t) => {
  const bodies: KnownBody[] = [
    { type: 'probe_req', requestedInfo: [256] },
    { type: 'probe_ans', info: [{ type: 'unknown', code: 2, value: fromHex('') }] },
    { type: 'ping_req', padding: new Uint8Array(65536) },
    { type: 'join_req', joiningPeerId: 'aa', overlaySpecificData: fromHex('') },
    { type: 'find_req', resource: '0', kinds: [] },
    { type: 'config_update_req', content: { type: 'unknown', code: 2, data: fromHex('') } },
    { type: 'error', code: 0x10000, info: fromHex('') },
  ];
  for (const body of bodies) t.throws(() => encode(body), { instanceOf: RangeError }, body.type);
});

test('a reader of a body leaves nothing unread', (t) => {
  const reader = new ByteReader(fromHex('00'));
  t.throws(() => reader.end(), { instanceOf: MalformedMessageError });
  t.throws(() => decode('ping_req', '000000'), { instanceOf: MalformedMessageError });
});
