import test from 'ava';
import { iperfThroughput } from '../../../scripts/testbed/load.ts';

test('what the receiver got is the rate, what was sent with the warm-up is the amount', (t) => {
  const text = JSON.stringify({
    intervals: [{ sum: { bytes: 125_000_000, omitted: true } }, { sum: { bytes: 250_000_000, omitted: false } }],
    end: { sum_sent: { bits_per_second: 9 }, sum_received: { bits_per_second: 1.9e9 } },
  });
  t.deepEqual(iperfThroughput(text), { gbps: 1.9, sentGbit: 3 });
});

test("iperf3's own words are the error", (t) => {
  const text = '{"start": {}, "intervals": [], "end": {}, "error": "unable to connect to server: Connection refused"}';
  t.throws(() => iperfThroughput(text), { message: /Connection refused/ });
  t.throws(() => iperfThroughput('{"end":{}}'), { message: /no result/ });
});
