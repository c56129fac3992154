import test from 'ava';
import { toAllocationAddress } from '../../../src/base/allocation-address.ts';
import { addressToHit } from '../../../src/base/node-id.ts';
import { describePaths, whyPath } from '../../../src/agent/path-status.ts';

const RELAY = '2001:20::5';

test('of the paths of a link the one in use comes first, all, with their uplinks and relays by name', (t) => {
  const at = { state: 'valid', loss: 0, rttMs: null } as const;
  const remote = { address: '203.0.113.7', port: 6084 };
  const paths = describePaths(
    [
      {
        ...at,
        link: 7,
        active: false,
        local: { address: RELAY, port: 0 },
        remote: { address: '2001:20::b0b', port: 0 },
      },
      { ...at, link: 7, active: true, local: { address: '10.0.0.2', port: 6084 }, remote, rttMs: 12 },
    ],
    new Map([['10.0.0.2', 'wlan0']]),
    () => 'carol.home.example',
    { relayedAt: () => undefined },
  );
  t.is(paths.length, 2);
  t.like(paths[0], { local: '10.0.0.2:6084', uplink: 'wlan0', active: true, rttMs: 12 });
  t.like(paths[1], { uplink: null, active: false, via: { hit: RELAY, name: 'carol.home.example' } });
});

test('why a path is relayed says by whom, and what would make it direct, by the kind of NAT of this end', (t) => {
  const path = {
    type: 'relay',
    local: { address: RELAY, port: 0 },
    remote: { address: '2001:20::b0b', port: 0 },
    via: addressToHit(RELAY),
  } as const;
  const why = (mapping: Parameters<typeof whyPath>[2]): string => whyPath(path, () => 'carol', mapping);
  for (const mapping of ['unknown', 'none', 'endpoint-independent', 'address-and-port-dependent'] as const) {
    t.regex(why(mapping), /^relayed by carol: no direct path answered; /);
    t.regex(why(mapping), /a UDP port forwarded to either host, or IPv6 at both, would make one$/);
  }
  t.regex(why('address-and-port-dependent'), /the NAT of this host gives each peer another port/);
  t.regex(why('endpoint-independent'), /the other's network keeps it out/);
});

test('a path by TLS says why, and what would make it direct', (t) => {
  const remote = { address: '203.0.113.10', port: 443 };
  const why = whyPath({ type: 'relay', remote, over: 'tls' }, () => null, 'unknown');
  t.is(
    why,
    'by TLS over TCP: nothing answered by UDP, which a firewall may block; a network that lets UDP out would make it direct',
  );
});

test('a path by a TURN server says so, with the relayed address, whichever end has it', (t) => {
  const relayed = { address: '203.0.113.1', port: 49_152 };
  const remote = { address: '198.51.100.7', port: 6_084 };
  const local = { address: toAllocationAddress(relayed), port: 6_084 };
  const at = { link: 7, active: true, state: 'valid', loss: 0, rttMs: 1 } as const;
  const [path] = describePaths([{ ...at, local, remote }], new Map(), () => null, { relayedAt: () => relayed });
  t.like(path, { local: '203.0.113.1:49152', remote: '198.51.100.7:6084', over: 'turn', uplink: null });
  const why = (over?: 'turn'): string =>
    whyPath({ type: 'relay', remote, ...(over === undefined ? {} : { over }) }, () => null, 'unknown');
  t.regex(why('turn'), /^relayed by a TURN server: /);
  t.regex(why(), /^relayed by the other end's TURN server: /);
});
