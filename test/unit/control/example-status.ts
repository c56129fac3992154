import type { MemberStatus, Result, Status, TicketStatus } from '../../../src/control/schemas.ts';

export const examplePing: Result<'ping'> = {
  target: 'bob',
  hit: '2001:20::b0b',
  rttMs: [24.1],
  path: { type: 'host', local: '10.0.0.2:6084', remote: '10.0.0.3:6084' },
  direct: true,
  why: 'both are in one network',
};

export const exampleStatus: Status = {
  hit: '2001:20::b0b',
  ipv4: '198.18.0.9',
  overlay: 'home.example',
  name: 'bob.home.example',
  role: 'peer',
  state: 'joined',
  membership: { state: 'member', lapsed: false, expires: Date.UTC(2027, 0, 1, 12) },
  problem: null,
  unwritten: [],
  listen: ['0.0.0.0:6084'],
  links: [
    {
      hit: '2001:20::a11c:e',
      name: 'alice.home.example',
      state: 'connected',
      path: { type: 'srflx', local: '10.0.0.2:6084', remote: '203.0.113.7:40001' },
      paths: [
        {
          local: '10.0.0.2:6084',
          remote: '203.0.113.7:40001',
          uplink: 'wlan0',
          state: 'valid',
          active: true,
          rttMs: 24.12,
          loss: 0,
        },
        {
          local: '10.64.0.9:6084',
          remote: '203.0.113.7:40001',
          uplink: 'wwan0',
          state: 'suspect',
          active: false,
          rttMs: null,
          loss: 0.25,
        },
      ],
      rttMs: 24.12,
      loss: 0.012,
      rxBytes: 1_234_567,
      txBytes: 890,
      handshakes: 1,
      why: 'both NATs keep their mapping',
    },
    {
      hit: '2001:20::5',
      name: null,
      state: 'connecting',
      path: null,
      rttMs: null,
      loss: null,
      rxBytes: 0,
      txBytes: 0,
    },
  ],
  version: '0.1.0',
  pid: 42,
  uptimeS: 3_700,
  unexpectedErrors: 0,
  clock: { offsetS: 0, source: 'host' },
  portMapping: { state: 'mapped', external: '203.0.113.9:6084', protocol: 'pcp', why: null },
  nat: { mapping: 'endpoint-independent', mapped: ['203.0.113.9:6084'] },
  rendezvous: { mode: 'mainline', nodes: 128 },
  tun: { name: 'idloc0', up: true, mtu: 1400, addresses: ['2001:20::b0b', '198.18.0.9'] },
  dns: {
    listen: '127.0.60.84:53',
    zones: ['home.example', '2.0.0.1.0.0.2.ip6.arpa', '18.198.in-addr.arpa', '19.198.in-addr.arpa'],
  },
  sip: {
    port: 5062,
    listening: true,
    trunk: { domain: 'sip.example.net', state: 'registered', why: null },
    phones: [
      {
        user: 'bob@home.example',
        contact: 'sip:bob@198.18.0.9:5060',
        transport: 'udp',
        address: '198.18.0.9:5060',
        since: Date.UTC(2026, 0, 1, 12),
        until: Date.UTC(2026, 0, 1, 13),
      },
    ],
  },
};

export const exampleMember: MemberStatus = {
  hit: '2001:20::a11c',
  user: 'alice@home.example',
  role: 'client',
  state: 'linked',
  inviter: true,
  lastSeen: 1_700_000_000_000,
  expires: 1_800_000_000_000,
};

export const exampleTicket: TicketStatus = {
  id: '0123abcd4567ef890123abcd4567ef89',
  user: 'alice@home.example',
  uses: 50,
  left: 47,
  replaces: false,
  madeAt: 1_700_000_000_000,
  expires: 4_000_000_000_000,
};

export const exampleOverlay: Result<'overlay'> = {
  overlay: 'home.example',
  sequence: 7,
  mode: 'invite',
  dnsName: 'home.example',
  ipv4Prefix: '198.18.0.0/15',
  rendezvous: 'none',
  certificateLifetimeS: 365 * 86_400,
  maxMessageSize: 20_000,
  initialTtl: 100,
  reliabilityTimerMs: 3000,
  chordUpdateIntervalS: 600,
  chordPingIntervalS: 3600,
  expiration: null,
  authority: 'ab'.repeat(32),
  hasAuthority: true,
  changed: false,
};

export const exampleNetcheck: Result<'netcheck'> = {
  nat: {
    kind: 'a NAT that keeps one port for all peers, as most home routers do',
    mapping: 'endpoint-independent',
    filtering: 'unknown',
    mapped: ['203.0.113.9:6084'],
  },
  ipv4: 'private',
  ipv6: 'none',
  nat64: [],
  udp: 'works',
  asked: 2,
  portMapping: { state: 'none', external: null, protocol: null, why: 'the router answers nothing' },
  relays: [{ hit: '2001:20::5', name: 'carol.home.example' }],
  turnServers: [{ hit: '2001:20::6', name: null, address: '203.0.113.7:6084' }],
  works: ['direct links with hosts without a NAT'],
  ask: ['IPv6'],
};

export const exampleDoctor: Result<'doctor'> = {
  topic: 'sip',
  findings: [
    { id: 'port-taken', level: 'error', what: 'another program has port 5062', mend: 'end that program' },
    {
      id: 'wrong-sdp',
      level: 'warning',
      what: 'baresip at [2001:20::b0b]:5060',
      mend: 'let it use idloc0',
      agoMs: 61_000,
    },
  ],
};
