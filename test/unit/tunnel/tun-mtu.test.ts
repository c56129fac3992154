import test from 'ava';
import { INITIAL_TUN_MTU, gsoMaxSegmentsFor, tunMtuFor } from '../../../src/tunnel/tun-mtu.ts';

test('a super-packet fills one sendmsg of UDP_SEGMENT, and never takes two', (t) => {
  t.is(gsoMaxSegmentsFor(INITIAL_TUN_MTU), 45);
  for (let pathMtu = 1280; pathMtu <= 9000; pathMtu++) {
    const [tunMtu, segments] = [tunMtuFor(pathMtu), gsoMaxSegmentsFor(tunMtuFor(pathMtu))];
    // UDP's payload on this path is what is left after IPv6 and UDP.
    const longestRecord = pathMtu - 48;
    t.true(segments <= 64 && segments * (tunMtu + 34) <= 65_487);
    t.true(segments === 64 || (segments + 1) * longestRecord > 65_487);
  }
});
