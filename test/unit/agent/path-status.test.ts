import test from 'ava';
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
