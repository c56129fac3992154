import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { rtpengineConfiguration, writeRtpengineConfiguration } from '../../../src/agent/rtpengine-configuration.ts';

const OWN = { ipv6: '2001:20::1', ipv4: '198.18.0.1' };
const LISTEN = { address: '127.0.0.1', port: 6_085 };

test('rtpengine has the addresses of both sides, no kernel module, and hears commands on loopback', (t) => {
  const text = rtpengineConfiguration(OWN, { lan: '192.168.1.2' }, LISTEN);
  t.regex(text, /^interface = lan\/192\.168\.1\.2;overlay\/2001:20::1;overlay\/198\.18\.0\.1$/m);
  t.regex(text, /^listen-ng = 127\.0\.0\.1:6085$/m);
  t.regex(text, /^table = -1$/m);
  t.regex(rtpengineConfiguration(OWN, {}, LISTEN), /^interface = overlay\/2001:20::1;overlay\/198\.18\.0\.1$/m);
});

test('of a gateway it has the address that leads to the provider, and what is told of it behind a 1:1 NAT', (t) => {
  const address = '203.0.113.10';
  const open = rtpengineConfiguration(OWN, { trunk: { address, told: undefined } }, LISTEN);
  t.regex(open, /^interface = outside\/203\.0\.113\.10;overlay\/2001:20::1;/m);
  const mapped = rtpengineConfiguration(OWN, { trunk: { address: '10.0.0.7', told: address } }, LISTEN);
  t.regex(mapped, /^interface = outside\/10\.0\.0\.7!203\.0\.113\.10;/m);
});

test('its configuration is written as a whole, and every user can read it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const text of ['first\n', 'second\n']) {
    writeRtpengineConfiguration(folder, text);
    t.is(readFileSync(join(folder, 'rtpengine.conf'), 'utf8'), text);
  }
  t.is(statSync(join(folder, 'rtpengine.conf')).mode & 0o777, 0o644);
  t.deepEqual(readdirSync(folder), ['rtpengine.conf']);
});
