import test from 'ava';
import { absentStreams } from '../../../src/agent/absent-streams.ts';

test('of the addresses at which streams are accepted those that no interface has are told; any address is here', (t) => {
  const [here, wrong, later, any] = ['192.0.2.1', '192.0.2.9', '2001:db8::9', '::'].map((address) => ({
    ...{ address, port: 443 },
  }));
  if (here === undefined || wrong === undefined || later === undefined || any === undefined) return t.fail();
  t.deepEqual(absentStreams([here, wrong, later, any], ['127.0.0.1', '192.0.2.1']), [wrong, later]);
  t.deepEqual(absentStreams([later], ['2001:DB8:0::9']), []);
});
