/**
 * What a link holds while OpenSSL keeps the state of its handshake, for `scripts/bench links`: many links from one data plane to
 * another in this process, whose server ends keep it until they are authorized. Prints one line of JSON: bytes of one link.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { OverlayAuthority } from '../../src/identity/authority.ts';
import { HostIdentity } from '../../src/identity/host-identity.ts';
import type { LinkId } from '../../src/native/data-plane.ts';
import { createDataPlane } from '../../src/native/native.ts';
import { residentMib } from './processes.ts';

const LINKS = 1_000;
/** Freed memory is back with the kernel then. */
const SETTLE_MS = 5_000;
const HANDSHAKE_MS = 5_000;

const now = systemClock.wall();
const authority = OverlayAuthority.create({ overlay: 'memory.example', wallNow: now, random: systemRandom });
const [client, server] = [createDataPlane({ port: 0, tun: null }), createDataPlane({ port: 0, tun: null })];
for (const plane of [client, server]) {
  const identity = HostIdentity.generate();
  plane.setCredentials(
    [...authority.issue(identity.spki, null, now, systemRandom), authority.certificate],
    identity.pkcs8,
  );
}

const accepted: LinkId[] = [];
let clientIsDone = (): void => {};
let serverIsDone = (): void => {};
client.onWake(() => {
  for (const event of client.drain()) if (event.type === 'connected') clientIsDone();
});
server.onWake(() => {
  for (const event of server.drain()) {
    if (event.type !== 'connected') continue;
    accepted.push(event.link);
    serverIsDone();
  }
});
for (let i = 0; i < LINKS; i++) {
  // Both: on one pair of addresses, the next handshake would take what the last one still waits for.
  const connected = Promise.all([
    new Promise<void>((resolve) => (clientIsDone = resolve)),
    new Promise<void>((resolve) => (serverIsDone = resolve)),
  ]);
  client.setPath(client.openLink('client'), null, { address: '127.0.0.1', port: server.port });
  const late = delay(HANDSHAKE_MS, undefined, { ref: false }).then(() => {
    throw new Error(`a handshake took more than ${HANDSHAKE_MS} ms`);
  });
  await Promise.race([connected, late]);
}
await delay(SETTLE_MS);
const held = residentMib(process.pid);
for (const link of accepted) server.authorize(link, HostIdentity.generate().hit, null);
await delay(SETTLE_MS);
const bytes = ((held - residentMib(process.pid)) * 2 ** 20) / LINKS;
process.stdout.write(`${JSON.stringify({ bytes: Math.round(bytes) })}\n`);
client.close();
server.close();
