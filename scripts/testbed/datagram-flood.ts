/**
 * Throws random and mutated datagrams at an agent: `datagram-flood.ts ADDRESS PORT COUNT SEED`.
 * Prints {KIND: {sent, sentBytes, answers, answerBytes}}; kinds are what a datagram began as.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { fromHex } from '../../src/base/bytes.ts';
import { seededRandom } from '../../src/base/random.ts';

/** Well-formed beginnings, by the first byte's meaning (RFC 7983). */
const SEEDS: Readonly<Record<string, readonly string[]>> = {
  random: [''],
  // Binding requests: bare; with USERNAME, PRIORITY, ICE-CONTROLLING, MESSAGE-INTEGRITY and FINGERPRINT (RFC 5769 s2.1).
  stun: [
    '000100002112a442b7e7a701bc34d686fa87dfae',
    '000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008' +
      '932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf',
  ],
  // DTLS 1.2: ClientHello without cookie, an application record, one with a connection ID, an alert.
  dtls: [
    '16feff0000000000000000004d010000410000000000000041fefd' +
      '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff' +
      '0000000cc02bc02cc00ac009009c002f01000000',
    '17fefd000100000000000100280001000000000001aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899',
    '19fefd0001000000000001010203040500280001000000000001aabbccddeeff00112233445566778899aabbccddeeff001122334455',
    '15fefd00000000000000000002022f',
  ],
  channel: ['400000040a0b0c0d'],
  // What is only lawful inside a link: a RELOAD frame, link control, a whole packet.
  inner: [
    '8000000001000026d2454c4f',
    '20000000000000000001',
    '6000000000081140200100200000000000000000000000012001002000000000000000000000000213c413c40008ffff',
  ],
};
const LONGEST_BYTES = 1500;
const BATCH = 100;
const BATCH_PAUSE_MS = 5;
const LINGER_MS = 1000;

const [address = '', port = '', count = '0', seed = '0'] = process.argv.slice(2);
const random = seededRandom(Number(seed));

function mutated(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes);
  const changes = random.uint32() % 4;
  for (let i = 0; i < changes && out.length > 0; i++) out[random.uint32() % out.length] = random.uint32() & 0xff;
  const cut = random.uint32() % 4;
  if (cut === 0) return out.subarray(0, random.uint32() % (out.length + 1));
  if (cut === 1) return Buffer.concat([out, random.bytes(random.uint32() % 200)]);
  return out;
}

const tally: Record<string, { sent: number; sentBytes: number; answers: number; answerBytes: number }> = {};
const kinds = Object.keys(SEEDS);
for (const [i, kind] of kinds.entries()) {
  const counts = { sent: 0, sentBytes: 0, answers: 0, answerBytes: 0 };
  tally[kind] = counts;
  // A socket for each kind: an answer belongs to the kind that it came to.
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (data) => {
    counts.answers += 1;
    counts.answerBytes += data.length;
  });
  socket.on('error', () => undefined); // ICMP says what the agent did not
  const seeds = (SEEDS[kind] ?? []).map(fromHex);
  const share = Math.floor(Number(count) / kinds.length) + (i < Number(count) % kinds.length ? 1 : 0);
  for (let sent = 0; sent < share; sent++) {
    const base = seeds[random.uint32() % seeds.length] ?? new Uint8Array();
    const data = base.length === 0 ? random.bytes(random.uint32() % LONGEST_BYTES) : mutated(base);
    socket.send(data, Number(port), address);
    counts.sent += 1;
    counts.sentBytes += data.length;
    if (sent % BATCH === BATCH - 1) await delay(BATCH_PAUSE_MS);
  }
  await delay(LINGER_MS);
  socket.close();
}
process.stdout.write(`${JSON.stringify(tally)}\n`);
