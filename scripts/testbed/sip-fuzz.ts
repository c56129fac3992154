/** Fuzzing of what reads SIP and SDP: mutated torture messages of RFC 4475 and 5118 and INVITEs of phones. TypeScript, so in this process. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { toHex } from '../../src/base/bytes.ts';
import { MalformedMessageError } from '../../src/base/errors.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { encodeSip, parseSip } from '../../src/sip/message/codec.ts';
import { parseCSeq } from '../../src/sip/message/cseq.ts';
import { canonicalName, headerValues } from '../../src/sip/message/headers.ts';
import type { SipMessage } from '../../src/sip/message/message.ts';
import { formatNameAddr, parseNameAddr } from '../../src/sip/message/name-addr.ts';
import { SipStreamFramer } from '../../src/sip/message/stream-framer.ts';
import { formatUri, parseUri } from '../../src/sip/message/uri.ts';
import { validateRequest, validateResponse } from '../../src/sip/message/validation.ts';
import { formatVia, parseVia } from '../../src/sip/message/via.ts';
import { sessionFamilies } from '../../src/sip/sdp/families.ts';
import { rewriteSessions } from '../../src/sip/sdp/rewrite.ts';
import type { FuzzResult } from './cxx-tests.ts';

const VECTORS = join(import.meta.dirname, '../../test/vectors/sip');
/** Of processor time, not of the clock: a busy host pauses a program. Far above what one input takes, with a collection of garbage in it. */
const INPUT_MS = 500;
const INPUTS_AT_ONCE = 1_000;
/** What the heap may grow by after its first tenth of the inputs. */
const GROWTH_BYTES = 8 * 1024 * 1024;
const MAX_EDITS = 6;
const MAX_RANGE = 200;
const OWN = { ipv4: '198.18.4.2', ipv6: '2001:20:4::2' };

/** What parsers stumble over. */
const TOKENS = [
  ...[
    '\r\n',
    '\r\n\r\n',
    '\r\n ',
    '\r',
    '\n',
    '\0',
    '"',
    '\\',
    '<',
    '>',
    ';',
    ';;',
    ',',
    ',,',
    ':',
    '::',
    ':::',
    '?',
    '@',
    '%',
    '%00',
    '%zz',
  ],
  ...[
    '[',
    ']',
    '=',
    ' ',
    '\t',
    '-1',
    '99999999999999999999',
    '\xff',
    '\xe2\x82',
    '\xed\xb2\x80',
    'SIP/2.0',
    'z9hG4bK',
    'Content-Length: ',
  ],
  ...[
    'l:',
    'v:',
    'Via: ',
    'Contact: *',
    'sip:',
    'tel:',
    '[::1]',
    'c=IN IP4 10.0.0.5',
    'a=candidate:',
    'a=rtcp:',
    'm=audio 0 ',
    'IP6 ',
  ],
  ...['Content-Type: multipart/mixed;boundary=b', 'Content-Type: application/sdp', '--b', '--b--', '\u2028'],
];

export function sipSeeds(): Uint8Array[] {
  return readdirSync(VECTORS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dat'))
    .sort()
    .map((name) => readFileSync(join(VECTORS, name)));
}

/** One of the seeds with some edits. */
export function mutate(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = Buffer.from(pick(seeds, random));
  for (let left = 1 + below(MAX_EDITS, random); left > 0; left -= 1) {
    const at = below(bytes.length + 1, random);
    const end = Math.min(bytes.length, at + below(MAX_RANGE, random));
    const put = (piece: Uint8Array, resume: number): void => {
      bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(resume)]);
    };
    switch (below(6, random)) {
      case 0:
        put(random.bytes(1), at + 1);
        break;
      case 1:
        put(Buffer.alloc(0), end);
        break;
      case 2:
        put(bytes.subarray(at, end), at);
        break;
      case 3:
        put(Buffer.from(pick(TOKENS, random), 'latin1'), at + below(2, random));
        break;
      case 4:
        put(Buffer.from(pick(TOKENS, random).repeat(1 + below(MAX_RANGE, random)), 'latin1'), at);
        break;
      default: {
        const other = pick(seeds, random);
        const from = below(other.length, random);
        put(other.subarray(from, from + below(MAX_RANGE, random)), end);
      }
    }
  }
  return bytes;
}

/** All that the adaptor does with a message. Whatever this throws is a finding. */
export function exerciseSip(bytes: Uint8Array): void {
  const framer = new SipStreamFramer();
  const half = Math.floor(bytes.length / 2);
  const frames = [...framer.push(bytes.subarray(0, half)), ...framer.push(bytes.subarray(half))];
  for (const frame of frames)
    if (frame.type === 'message') assert.deepEqual(sameAgain(frame.message), core(frame.message));
  let message: SipMessage;
  try {
    message = parseSip(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return;
    throw error;
  }
  assert.deepEqual(sameAgain(message), core(message));
  const rejection = message.type === 'request' ? validateRequest(message) : validateResponse(message);
  for (const { name } of message.headers) for (const value of headerValues(message, name)) readValue(value);
  if (message.type === 'request') readValue(message.uri);
  const { message: rewritten, changed } = rewriteSessions(message, OWN, (address) =>
    Object.values(OWN).includes(address),
  );
  if (changed.length === 0) assert.equal(rewritten, message);
  // Rewritten once, it is of the overlay.
  else assert.deepEqual(rewriteSessions(rewritten, OWN, (address) => Object.values(OWN).includes(address)).changed, []);
  sessionFamilies(rewritten);
  if (rejection === undefined && message.type === 'request')
    assert.equal(validateRequest({ ...message, headers: parseSip(encodeSip(message)).headers }), undefined);
}

/** Until the time is over or so many inputs were tried; `seed` makes it the same again. */
export async function fuzzSip(limits: { seconds?: number; inputs?: number; seed: number }): Promise<FuzzResult> {
  const { seconds = Infinity, inputs = Infinity, seed } = limits;
  const seeds = sipSeeds();
  const random = seededRandom(seed);
  const started = performance.now();
  let tried = 0;
  let heapBefore: number | undefined;
  const progress = (): number => Math.max(tried / inputs, (performance.now() - started) / 1000 / seconds);
  while (progress() < 1) {
    for (let left = Math.min(INPUTS_AT_ONCE, inputs - tried); left > 0; left -= 1, tried += 1) {
      const bytes = mutate(seeds, random);
      const before = process.cpuUsage();
      const finding = thrownBy(() => exerciseSip(bytes));
      const { user, system } = process.cpuUsage(before);
      const took = (user + system) / 1000;
      if (finding !== undefined || took > INPUT_MS)
        return {
          target: 'sip',
          inputs: tried,
          finding: `${finding ?? `${Math.round(took)} ms`}\ninput ${toHex(bytes)}`,
        };
    }
    if (heapBefore === undefined && progress() >= 0.1) heapBefore = heapAfterCollection();
    await setImmediate();
  }
  const growth = heapAfterCollection() - (heapBefore ?? Infinity);
  const finding = growth > GROWTH_BYTES ? `memory grew by ${growth} bytes` : undefined;
  return { target: 'sip', inputs: tried, finding };
}

/** What of a message has to survive being sent: Content-Length may be put right. */
function core(message: SipMessage): unknown {
  const headers = message.headers.filter(({ name }) => canonicalName(name) !== 'content-length');
  return { ...message, headers, body: Buffer.from(message.body).toString('latin1') };
}

function sameAgain(message: SipMessage): unknown {
  return core(parseSip(encodeSip(message)));
}

/** As each kind of value in turn: what is read is written so that it is read as the same. */
function readValue(value: string): void {
  const uri = parseUri(value);
  if (uri !== undefined) assert.deepEqual(parseUri(formatUri(uri)), uri);
  const address = parseNameAddr(value);
  if (address !== undefined) assert.deepEqual(parseNameAddr(formatNameAddr(address)), address);
  const via = parseVia(value);
  if (via !== undefined) assert.deepEqual(parseVia(formatVia(via)), via);
  parseCSeq(value);
  const inner = address === undefined ? undefined : parseUri(address.uri);
  if (inner !== undefined) assert.deepEqual(parseUri(formatUri(inner)), inner);
}

function thrownBy(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function below(limit: number, random: Random): number {
  return Math.floor(random.float() * limit);
}

function pick<T>(from: readonly T[], random: Random): T {
  const chosen = from[below(from.length, random)];
  if (chosen === undefined) throw new RangeError('nothing to pick from');
  return chosen;
}
