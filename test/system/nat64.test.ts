import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Backbone } from '../../scripts/testbed/access-network.ts';
import { nat64Network, useResolver } from '../../scripts/testbed/nat64.ts';
import { systemTest } from './support/system-test.ts';

systemTest(
  'the laboratory: a host with IPv6 alone reaches an IPv4 host by NAT64, as its resolver tells',
  async (t, lab) => {
    const backbone = await Backbone.create(lab);
    const outside = await backbone.publicHost('outside');
    const network = await nat64Network(lab, backbone, 'mobile');
    const host = await backbone.host('host');
    await network.plug(host);
    useResolver(lab, host.namespace, network.gateway6);
    const script = "require('node:dns').resolve6('ipv4only.arpa', (e, a) => console.log(e?.code ?? a.join(' ')))";
    const told = await host.namespace.run(process.execPath, ['-e', script]);
    t.is(told.trim(), 'fd64:ff9b::c000:aa fd64:ff9b::c000:ab');
    t.regex(
      await host.namespace.run('ping', ['-6', '-c', '3', '-i', '0.2', '-W', '2', synthesised(outside.address)]),
      / 0% packet loss/,
    );
  },
);

systemTest('the laboratory: a translator that takes a second to start is waited for', async (t, lab) => {
  const slow = join(lab.folder('slow'), 'tayga');
  writeFileSync(slow, '#!/bin/sh\ncase "$*" in *--nodetach*) sleep 1 ;; esac\nexec tayga "$@"\n', { mode: 0o755 });
  const backbone = await Backbone.create(lab);
  const outside = await backbone.publicHost('outside');
  const network = await nat64Network(lab, backbone, 'mobile', slow);
  const host = await backbone.host('host');
  await network.plug(host);
  const ping = ['-6', '-c', '1', '-W', '2', synthesised(outside.address)];
  t.regex(await host.namespace.run('ping', ping), / 0% packet loss/);
});

/** RFC 6052 s2.2, with a prefix of 96 bits. */
function synthesised(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `fd64:ff9b::${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
