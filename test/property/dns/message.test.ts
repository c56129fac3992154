import { fc, testProp } from '@fast-check/ava';
import dnsPacket from 'dns-packet';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { decodeEdns, decodeQuery, encodeResponse, udpLimit } from '../../../src/dns/message.ts';
import { OverlayZone } from '../../../src/dns/zone.ts';

const zone = new OverlayZone({ overlay: 'home.example', ipv4Prefix: '198.18.0.0/15' });
const whole = dnsPacket.encode({
  type: 'query',
  id: 1,
  questions: [{ type: 'SRV', name: '_sip._udp.bob.home.example' }],
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [{ code: 12, length: 8 }],
    },
  ],
});

/** What the server does with a datagram, as far as the answer is known at once. */
function serve(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const query = decodeQuery(bytes);
    const verdict = zone.consider(query.question);
    if (verdict.kind === 'outside') return undefined;
    const edns = decodeEdns(bytes);
    const response = verdict.kind === 'answer' ? verdict.response : verdict.respond({ status: 'absent' });
    const answer = encodeResponse(query, response, edns, udpLimit(edns));
    if (answer.length > udpLimit(edns)) throw new RangeError('too long');
    return answer;
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

testProp(
  'any bytes are answered, refused as malformed or left to others',
  [fc.uint8Array({ maxLength: 600 })],
  (t, bytes) => {
    t.notThrows(() => serve(bytes));
  },
);

testProp(
  'a query with some bytes changed is answered within its limit, refused or left to others',
  [fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 })],
  (t, changes) => {
    const bytes = Uint8Array.from(whole);
    for (const [offset, value] of changes) bytes[offset] = value;
    const answer = serve(bytes);
    if (answer !== undefined) t.deepEqual(answer.subarray(0, 2), bytes.subarray(0, 2));
    t.pass();
  },
);
