import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Namespace } from '../../scripts/testbed/lab.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

const ADAPTOR_PORT = 5_062;
const OTHER_PORT = 5_999;

/** From an address that the namespace has, as a program of a few lines would. */
async function send(namespace: Namespace, text: string, from: string, to: string, port: number): Promise<void> {
  const family = to.includes(':') ? 'udp6' : 'udp4';
  const script = `const s = require('dgram').createSocket('${family}');
s.bind(5060, '${from}', () => s.send(${JSON.stringify(text)}, ${port}, '${to}', () => s.close()));`;
  await namespace.run(process.execPath, ['-e', script]);
}

function invite(from: string, to: string): string {
  const sender = from.includes(':') ? `[${from}]` : from;
  return [
    `INVITE sip:alice@${OVERLAY} SIP/2.0`,
    `Via: SIP/2.0/UDP ${sender}:5060;branch=z9hG4bK${from.length}forged;rport`,
    'Max-Forwards: 70',
    `From: <sip:bob@${OVERLAY}>;tag=forged`,
    `To: <sip:alice@${OVERLAY}>`,
    `Call-ID: forged-${to}`,
    'CSeq: 1 INVITE',
    `Contact: <sip:bob@${sender}:5060>`,
    'Content-Type: application/sdp',
    '',
    ...['v=0', 'o=- 1 1 IN IP4 198.18.0.1', 's=-', 'c=IN IP4 198.18.0.1', 't=0 0'],
    ...['m=audio 7078 RTP/AVP 96', 'a=rtpmap:96 opus/48000/2', ''],
  ].join('\r\n');
}

systemTest(
  'a neighbour on the LAN who sends SIP to the overlay addresses of a host, as a member, rings no phone',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    const { namespace } = places.alice;
    const alice = await phoneAt(lab, places.alice, { family: 4, rings: true });
    const [own, member] = [await hosts.alice.status(), await hosts.bob.status()];
    const neighbour = hosts.homes.natA.namespace;
    // Nothing of the kernel's own helps: routes that do not fit are no reason to drop.
    for (const name of ['all', 'eth0', 'idloc0']) await namespace.sysctl(`net.ipv4.conf.${name}.rp_filter`, 0);
    const linkLocal =
      /fe80::[0-9a-f:]+/.exec(await namespace.ip('-6', '-o', 'address', 'show', 'dev', 'eth0'))?.[0] ?? '';
    for (const [to, from, prefix, via] of [
      [own.ipv4 ?? '', member.ipv4 ?? '', 32, hosts.homes.a.address],
      [own.hit, member.hit, 128, linkLocal],
    ] as const) {
      const family = to.includes(':') ? '-6' : '-4';
      await neighbour.ip(
        family,
        'address',
        'add',
        `${from}/${prefix}`,
        'dev',
        'lo',
        ...(prefix === 128 ? ['nodad'] : []),
      );
      await neighbour.ip(family, 'route', 'add', `${to}/${prefix}`, 'via', via, 'dev', 'lan0');
      // Any other socket hears him: what he sends does arrive.
      const hearing = namespace.start(process.execPath, [
        '-e',
        `const s = require('dgram').createSocket('${to.includes(':') ? 'udp6' : 'udp4'}');
s.on('message', (text, from) => console.log('heard', from.address)); s.bind(${OTHER_PORT}, '${to}', () => console.log('bound'));`,
      ]);
      await hearing.waitFor(/bound/, 5_000);
      await eventually(`what is forged arrives at ${to}`, 5_000, async () => {
        await send(neighbour, 'forged', from, to, OTHER_PORT);
        return hearing.stdout.includes(`heard ${from}`) ? true : undefined;
      });
      await hearing.stop('SIGKILL');
      for (let i = 0; i < 5; i++) await send(neighbour, invite(from, to), from, to, ADAPTOR_PORT);
    }
    await delay(2_000);
    t.is(alice.count('CALL_INCOMING'), 0);
    // The same by the overlay rings.
    await send(
      places.bob.namespace,
      invite(member.ipv4 ?? '', own.ipv4 ?? ''),
      member.ipv4 ?? '',
      own.ipv4 ?? '',
      ADAPTOR_PORT,
    );
    await alice.next('CALL_INCOMING', 5_000);
    await alice.stop();
  },
);
