import test from 'ava';
import { parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';
import { addressToHit } from '../../../src/base/node-id.ts';
import { udpFlow } from '../../../src/sip/flow.ts';
import { parseSip } from '../../../src/sip/message/codec.ts';
import { Parties } from '../../../src/sip/parties.ts';
import { SdpFamilies } from '../../../src/sip/sdp-families.ts';

const OWN = { ipv6: '2001:22::a', ipv4: '198.18.0.1' };
const BOB = { ipv6: '2001:22::b', ipv4: '198.18.0.2' };
const STRANGER = '2001:22::c';

const parties = new Parties({
  self: addressToHit(OWN.ipv6),
  own: OWN,
  prefix: parseIpv4Prefix('198.18.0.0/15'),
  memberAt: () => undefined,
});
const families = new SdpFamilies({
  parties,
  ipv4Of: (hit) => (hit === addressToHit(BOB.ipv6) ? BOB.ipv4 : undefined),
});
const phoneAt = (address: string): ReturnType<typeof udpFlow> =>
  udpFlow({ local: { address, port: 5_062 }, remote: { address, port: 5_060 } });

function told(lines: readonly string[], to: string): string[] {
  const head = 'SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\n\r\n';
  const { body } = families.readable(parseSip(Buffer.from(`${head}${lines.join('\r\n')}`)), phoneAt(to));
  return Buffer.from(body).toString().split('\r\n');
}

test('a phone over IPv4 is told the IPv4 address of the host whose phone speaks IPv6', (t) => {
  t.deepEqual(
    told(
      ['o=- 1 1 IN IP6 2001:22::b', 'c=IN IP6 2001:22:0::b', 'a=candidate:1 1 UDP 1 2001:22::b 7078 typ host'],
      OWN.ipv4,
    ),
    ['o=- 1 1 IN IP4 198.18.0.2', 'c=IN IP4 198.18.0.2', 'a=candidate:1 1 UDP 1 198.18.0.2 7078 typ host'],
  );
});

test('of two phones of one host, the one over IPv4 is told the address of that host', (t) => {
  t.deepEqual(told(['c=IN IP6 2001:22::a'], OWN.ipv4), ['c=IN IP4 198.18.0.1']);
});

test('addresses of IPv4, those that stand for hold, and of whom no IPv4 address is known stay', (t) => {
  const lines = ['c=IN IP4 198.18.0.2', 'c=IN IP6 ::', `c=IN IP6 ${STRANGER}`, 'c=IN IP6 2001:db8::1'];
  t.deepEqual(told(lines, OWN.ipv4), lines);
});

test('a phone over IPv6 is told what was written', (t) => {
  const lines = ['c=IN IP6 2001:22::b', 'c=IN IP4 198.18.0.2'];
  t.deepEqual(told(lines, OWN.ipv6), lines);
});
