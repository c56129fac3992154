import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Memory } from '../../../src/agent/memory.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Contact } from '../../../src/identity/contacts.ts';
import { KeyStoreError } from '../../../src/identity/errors.ts';
import { KeyStore } from '../../../src/identity/key-store.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';

interface Disk {
  full: boolean;
  /** Writes that hold up everything else. */
  waitedFor: number;
}

function open(t: ExecutionContext): { memory: Memory; again: () => Memory; disk: Disk; state: StateDirectory } {
  const path = mkdtempSync(join(tmpdir(), 'idloc-memory-'));
  const state = StateDirectory.open(path);
  t.teardown(() => {
    state.close();
    rmSync(path, { recursive: true });
  });
  const disk = { full: false, waitedFor: 0 };
  const write = state.write.bind(state);
  state.write = (...args) => {
    if (disk.full) throw new KeyStoreError('contacts.json cannot be written: ENOSPC: no space left on device');
    disk.waitedFor += 1;
    write(...args);
  };
  const make = (): Memory => new Memory({ store: new KeyStore(state), state, logger: silentLogger });
  return { memory: make(), again: make, disk, state };
}

function contact(last: string, locators: Contact['locators'] = []): Contact {
  const unknown = { name: null, user: null, ipv4: null };
  return { hit: `20010022${last.padStart(24, '0')}`, ...unknown, peer: true, locators, lastSeen: 1 };
}

const WAY_IN = [{ address: '192.0.2.1', port: 6084 }];

test('the first way into the overlay survives a kill in the same moment', (t) => {
  const { memory, again } = open(t);
  memory.remember(contact('1', WAY_IN));
  t.deepEqual(again().contacts, [contact('1', WAY_IN)]);
});

test('what is learned later is written in one go, at the latest when the agent stops', (t) => {
  const { memory, again } = open(t);
  memory.remember(contact('1', WAY_IN));
  memory.remember(contact('2', WAY_IN));
  t.is(again().contacts.length, 1);
  memory.flush();
  t.is(again().contacts.length, 2);
});

test('our own IPv4 address is kept; nothing but an address is believed', (t) => {
  const { memory, again } = open(t);
  t.is(memory.ownIpv4, undefined);
  memory.rememberOwnIpv4('198.18.1.2');
  t.is(again().ownIpv4, '198.18.1.2');
});

test('a full disk costs nothing but a restart: all is remembered, and written when there is room', (t) => {
  const { memory, again, disk } = open(t);
  disk.full = true;
  memory.rememberOwnIpv4('198.18.1.2');
  memory.remember(contact('1', WAY_IN));
  t.is(memory.ownIpv4, '198.18.1.2');
  t.is(memory.contacts.length, 1);
  t.is(again().ownIpv4, undefined);
  disk.full = false;
  memory.flush();
  t.is(again().ownIpv4, '198.18.1.2');
  t.deepEqual(again().contacts, [contact('1', WAY_IN)]);
});

test('what is being written when the agent stops is there, in its latest form', async (t) => {
  const { memory, again } = open(t);
  memory.remember(contact('1', WAY_IN));
  memory.remember(contact('2', WAY_IN));
  await delay(1_000);
  memory.remember(contact('3', WAY_IN));
  memory.flush();
  t.is(again().contacts.length, 3);
  await delay(200);
  t.is(again().contacts.length, 3);
});

test('contacts that change while others are being written hold nothing up, and are written later', async (t) => {
  const { memory, again, disk, state } = open(t);
  memory.remember(contact('1', WAY_IN));
  const before = disk.waitedFor;
  const writeSoon = state.writeSoon.bind(state);
  state.writeSoon = async (...args) => {
    await writeSoon(...args);
    if (memory.contacts.length === 2) memory.remember(contact('3', WAY_IN));
  };
  memory.remember(contact('2', WAY_IN));
  for (let waited = 0; again().contacts.length < 3 && waited < 10_000; waited += 100) await delay(100);
  t.is(again().contacts.length, 3);
  t.is(disk.waitedFor, before);
});
