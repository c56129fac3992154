import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { encodeStun } from '../../src/stun/codec.ts';
import { encodeErrorResponse } from '../../src/stun/error-response.ts';
import { shortTermKey } from '../../src/stun/integrity.ts';
import type { StunMessage } from '../../src/stun/message.ts';

const installed = ['tshark', 'text2pcap'].every((tool) => spawnSync(tool, ['--version']).status === 0);
if (!installed) console.log('skipped: tshark or text2pcap is missing');
const run = installed ? test : test.skip;

const KEY = shortTermKey('a password of twenty-two');
const ID = '000102030405060708090a0b';
const REQUEST: StunMessage = {
  class: 'request',
  method: 1,
  transactionId: ID,
  attributes: {
    priority: 0x6e0001ff,
    useCandidate: true,
    iceControlling: 0x932ff9b151263b36n,
    username: 'evtj:h6vY',
    software: 'idloc',
    paddingLength: 40,
  },
};
const answer = (address: string): StunMessage => ({
  class: 'success',
  method: 1,
  transactionId: ID,
  attributes: { xorMappedAddress: { address, port: 32853 } },
});
const request = encodeStun(REQUEST, { key: KEY, fingerprint: true });
const MESSAGES: readonly Uint8Array[] = [
  request,
  encodeStun(answer('192.0.2.1'), { key: KEY, fingerprint: true }),
  encodeStun(answer('2001:db8:1234:5678:11:2233:4455:6677'), { key: KEY, fingerprint: true }),
  encodeErrorResponse({ ...REQUEST, byteLength: request.length }, 487, KEY) ?? new Uint8Array(),
];

/** One datagram a row, columns as in `fields`. */
function dissect(fields: readonly string[]): string[][] {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-stun-'));
  try {
    const hexDump = MESSAGES.map((bytes) => `000000 ${Buffer.from(bytes).toString('hex').replace(/../g, '$& ')}\n`);
    writeFileSync(join(directory, 'in.txt'), hexDump.join('\n'));
    const capture = join(directory, 'out.pcap');
    spawnSync('text2pcap', ['-q', '-u', '6084,3478', join(directory, 'in.txt'), capture]);
    const columns = fields.flatMap((field) => ['-e', field]);
    const { stdout } = spawnSync('tshark', ['-r', capture, '-T', 'fields', '-E', 'separator=|', ...columns], {
      encoding: 'utf8',
    });
    return stdout
      .trim()
      .split('\n')
      .map((line) => line.split('|'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

run('tshark reads every field as it was written, and finds FINGERPRINT right and nothing malformed', (t) => {
  const rows = dissect([
    'stun.type',
    'stun.id',
    'stun.att.username',
    'stun.att.priority',
    'stun.att.tie-breaker',
    'stun.att.ipv4',
    'stun.att.ipv6',
    'stun.att.port',
    'stun.att.error',
    'stun.att.software',
    'stun.att.crc32.status',
    '_ws.malformed',
    '_ws.expert.message',
  ]);
  const none = { user: '', priority: '', tie: '', ipv4: '', ipv6: '', port: '', error: '', software: '' };
  const row = (type: string, values: Partial<typeof none>): string[] => {
    const { user, priority, tie, ipv4, ipv6, port, error, software } = { ...none, ...values };
    return [type, ID, user, priority, tie, ipv4, ipv6, port, error, software, '1', '', ''];
  };
  t.deepEqual(
    // Versions of tshark differ in whether bytes have colons between them.
    rows.map(([type, id = '', user, priority, tie = '', ...rest]) => [
      type,
      id.replaceAll(':', ''),
      user,
      priority,
      tie.replaceAll(':', ''),
      ...rest,
    ]),
    [
      row('0x0001', {
        user: 'evtj:h6vY',
        priority: '1845494271',
        tie: '932ff9b151263b36',
        software: 'idloc',
      }),
      row('0x0101', { ipv4: '192.0.2.1', port: '32853' }),
      row('0x0101', { ipv6: '2001:db8:1234:5678:11:2233:4455:6677', port: '32853' }),
      row('0x0111', { error: '87' }),
    ],
  );
});
