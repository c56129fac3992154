import type { MemberStatus, Status, TicketStatus } from '../../../src/control/schemas.ts';

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
  dns: { listen: '127.0.60.84:53' },
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
