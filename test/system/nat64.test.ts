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
    const [a = 0, b = 0, c = 0, d = 0] = outside.address.split('.').map(Number);
    const synthesised = `fd64:ff9b::${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    t.regex(
      await host.namespace.run('ping', ['-6', '-c', '3', '-i', '0.2', '-W', '2', synthesised]),
      / 0% packet loss/,
    );
  },
);
