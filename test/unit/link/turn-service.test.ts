import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { deriveSecrets } from '../../../src/link/association-secrets.ts';
import type { ConnectionTable } from '../../../src/link/connection-table.ts';
import { turnService } from '../../../src/link/turn-service.ts';
import type { DataPlane } from '../../../src/native/data-plane.ts';
import { decodeStun } from '../../../src/stun/codec.ts';
import { TurnClient } from '../../../src/turn/turn-client.ts';
import type { TurnServer } from '../../../src/turn/server/turn-server.ts';
import { nextSent } from '../turn/turn-server.ts';

const SERVER = { address: '203.0.113.1', port: 6084 };
const ALICE = `20010022${'a'.repeat(24)}`;
const BOB = `20010022${'b'.repeat(24)}`;
const GUEST = `20010022${'c'.repeat(24)}`;
const OPTIONS = {
  ...{ members: true, realm: 'idloc', users: [{ name: 'carol', password: 'configured' }] },
  ...{ bytesPerSecond: 4_000_000, allocations: 3, allocationsPerUser: 2, allowPrivate: false },
};

interface Linked {
  readonly hit: string;
  readonly peer: { readonly member: boolean } | undefined;
  readonly secrets: ReturnType<typeof deriveSecrets> | undefined;
}

function linked(hit: string, exporter: number, member = true): Linked {
  return { hit, peer: { member }, secrets: deriveSecrets(new Uint8Array(32).fill(exporter)) };
}

function passwordOf(exporter: number): string {
  return deriveSecrets(new Uint8Array(32).fill(exporter)).turnPassword;
}

class Scene {
  readonly associations: Linked[] = [linked(ALICE, 1), linked(BOB, 2), linked(GUEST, 3, false)];
  readonly users: number[] = [];
  readonly server: TurnServer;
  private clients = 0;

  constructor(options: Partial<typeof OPTIONS> = {}) {
    const dataPlane = {
      setTurnQuota: () => {},
      openTurnAllocation: (_: number, { user }: { user: number }) => this.users.push(user) > 0,
      closeTurnAllocation: () => {},
      permitTurnPeer: () => {},
    } as unknown as DataPlane;
    const table = { associations: this.associations } as unknown as ConnectionTable;
    const components = { dataPlane, table, random: seededRandom(1), logger: silentLogger };
    this.server = turnService(components, { ...OPTIONS, ...options });
    this.server.setHosts([SERVER.address]);
  }

  /** @returns whether another host gets an address by that. */
  allocates(username: string, password: string): boolean {
    this.clients += 1;
    const from = { address: '198.51.100.9', port: 4_000 + this.clients };
    const client = new TurnClient({ random: seededRandom(this.clients), logger: silentLogger, isWanted: () => true });
    client.setBases([from], 0);
    client.setServers([{ address: SERVER, username, password }], 0);
    for (let out = nextSent(client); out !== undefined; out = nextSent(client)) {
      const raw = this.server.receive(decodeStun(out.data), out.data, SERVER, from, 0);
      if (raw !== undefined) client.receive(decodeStun(raw), raw, from, SERVER, 0);
    }
    return client.pollEvent()?.type === 'allocated';
  }
}

test('a linked member gets an address by what only the two ends of its link know, others do not', (t) => {
  const scene = new Scene();
  t.true(scene.allocates(ALICE, passwordOf(1)));
  // Another member in her name, with what it has itself; and who has seen all that is told of her association.
  t.false(scene.allocates(ALICE, passwordOf(2)));
  const { id, client, server } = deriveSecrets(new Uint8Array(32).fill(1));
  for (const told of [id, client.ufrag, client.pwd, server.ufrag, server.pwd]) t.false(scene.allocates(ALICE, told));
  // A guest, a stranger, and nobody.
  t.false(scene.allocates(GUEST, passwordOf(3)));
  t.false(scene.allocates(`20010022${'d'.repeat(24)}`, passwordOf(4)));
  t.false(scene.allocates('', ''));
  t.true(scene.allocates('carol', 'configured'));
});

test('while two ends change from one association to another both will do; what is over opens nothing', (t) => {
  const scene = new Scene();
  scene.associations.push(linked(ALICE, 5));
  t.true(scene.allocates(ALICE, passwordOf(1)));
  t.true(scene.allocates(ALICE, passwordOf(5)));
  scene.associations.shift();
  scene.server.endUser(ALICE);
  t.false(scene.allocates(ALICE, passwordOf(1)));
  t.true(scene.allocates(ALICE, passwordOf(5)));
});

test('a member has a quota of its own, beside the users of the configuration', (t) => {
  const scene = new Scene();
  t.true(scene.allocates(ALICE, passwordOf(1)));
  t.true(scene.allocates(ALICE, passwordOf(1)));
  t.false(scene.allocates(ALICE, passwordOf(1)));
  t.true(scene.allocates(BOB, passwordOf(2)));
  scene.server.endUser(ALICE);
  t.true(scene.allocates('carol', 'configured'));
  t.true(scene.allocates(ALICE, passwordOf(1)));
  t.deepEqual(scene.users, [1, 1, 2, 0, 1]);
});

test('members are let in only where the configuration says so', (t) => {
  t.false(new Scene({ members: false }).allocates(ALICE, passwordOf(1)));
});
