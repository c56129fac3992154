import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseNameservers, UpstreamList } from '../../../src/dns/resolv-conf.ts';

test('three nameserver lines count, whatever stands between them', (t) => {
  const text =
    '# a comment\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:DB8::1 \nnameserver x\nnameserver fe80::1%eth0\nnameserver 192.0.2.4\n';
  t.deepEqual(
    parseNameservers(text).map(({ address }) => address),
    ['192.0.2.1', '2001:db8::1', 'fe80::1%eth0'],
  );
});

test('a changed file is followed, an absent one names nobody, and we never name ourselves', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'resolv.conf');
  const time = { now: 0 };
  const clock = { monotonic: () => time.now, wall: () => 0 };
  const list = new UpstreamList({ clock }, { path, exclude: [{ address: '127.0.60.84', port: 53 }] });
  t.deepEqual(list.current(), []);
  writeFileSync(path, 'nameserver 127.0.60.84\nnameserver 192.0.2.1\n');
  t.deepEqual(list.current(), []);
  time.now = 1_000;
  t.deepEqual(list.current(), [{ address: '192.0.2.1', port: 53 }]);
  rmSync(path);
  time.now = 2_000;
  t.deepEqual(list.current(), []);
});
