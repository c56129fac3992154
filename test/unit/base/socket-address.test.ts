import test from 'ava';
import { formatSocketAddress, parseSocketAddress } from '../../../src/base/socket-address.ts';

test('an address with a port goes through text and back', (t) => {
  for (const text of ['192.0.2.1:6084', '[2001:db8::1]:65535']) {
    const parsed = parseSocketAddress(text);
    t.truthy(parsed);
    if (parsed !== undefined) t.is(formatSocketAddress(parsed), text);
  }
});

test('text that is no address with a port is refused', (t) => {
  for (const text of [
    '',
    '192.0.2.1',
    '192.0.2.256:1',
    '192.0.2.1:65536',
    '2001:db8::1:80',
    '[192.0.2.1]:1',
    '[::1%lo]:1',
    '[::1/64]:1',
    'host:1',
  ]) {
    t.is(parseSocketAddress(text), undefined, text);
  }
});
