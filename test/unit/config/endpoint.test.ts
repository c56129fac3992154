import test from 'ava';
import { parseEndpoint } from '../../../src/config/endpoint.ts';

test('addresses and host names with a port are endpoints', (t) => {
  t.deepEqual(parseEndpoint('203.0.113.7:6084'), { host: '203.0.113.7', port: 6084 });
  t.deepEqual(parseEndpoint('[2001:DB8:0::7]:1'), { host: '2001:db8::7', port: 1 });
  t.deepEqual(parseEndpoint('a-1.example:65535'), { host: 'a-1.example', port: 65_535 });
});

test('what is no endpoint is refused', (t) => {
  for (const text of ['', 'host', 'host:', ':1', 'host:0', 'host:65536', '203.0.113.7', '203.0.113.700:1', '1.2.3:4'])
    t.is(parseEndpoint(text), undefined, text);
  for (const text of ['-a.example:1', 'a..b:1', 'a_b:1', '2001:db8::7:1', `${'a'.repeat(64)}.example:1`, 'a b:1'])
    t.is(parseEndpoint(text), undefined, text);
});
