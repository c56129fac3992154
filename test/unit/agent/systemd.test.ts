import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { SystemdNotifier, takeListenFds } from '../../../src/agent/systemd.ts';

/** A folder with a systemd-notify that writes down what it was told. */
function fakeSystemd(t: ExecutionContext): { env: NodeJS.ProcessEnv; told: () => string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const log = join(folder, 'told');
  writeFileSync(log, '');
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\nprintf '%s\\n' "$@" >>${log}\n`);
  chmodSync(join(folder, 'systemd-notify'), 0o755);
  return {
    env: { PATH: `${folder}:/usr/bin:/bin`, NOTIFY_SOCKET: '/none' },
    told: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
  };
}

test('systemd is told once the agent is ready, what it does, and that it stops', async (t) => {
  const { env, told } = fakeSystemd(t);
  const notifier = new SystemdNotifier({ logger: silentLogger }, { env, pid: 1 });
  await notifier.ready('home.example:\n2001:20::1');
  await notifier.status('joined');
  await notifier.stopping();
  t.deepEqual(told(), ['READY=1', 'STATUS=home.example: 2001:20::1', 'STATUS=joined', 'STOPPING=1']);
});

test('without systemd nothing is started', async (t) => {
  const { env, told } = fakeSystemd(t);
  const notifier = new SystemdNotifier(
    { logger: silentLogger },
    { env: { ...env, NOTIFY_SOCKET: undefined, WATCHDOG_USEC: '1000' }, pid: 1 },
  );
  await notifier.ready('x');
  await notifier.stopping();
  t.deepEqual(told(), []);
});

test('a missing systemd-notify is a warning, not an end', async (t) => {
  const events: string[] = [];
  const notifier = new SystemdNotifier(
    { logger: { ...silentLogger, warn: (event) => events.push(event) } },
    { env: { PATH: '/none', NOTIFY_SOCKET: '/none' }, pid: 1 },
  );
  await notifier.ready('x');
  t.deepEqual(events, ['systemd not notified']);
});

test('sockets are taken only when they were meant for this process, and never passed on', (t) => {
  const given = { LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b', HOME: '/' };
  const mine = { ...given };
  t.deepEqual(takeListenFds(mine, 42), { udp: 3, tcp: 4 });
  t.deepEqual(mine as NodeJS.ProcessEnv, { HOME: '/' });
  t.deepEqual(takeListenFds({ ...given }, 43), {});
  t.deepEqual(takeListenFds({ ...given, LISTEN_FDS: 'x' }, 42), {});
  t.deepEqual(takeListenFds({ ...given, LISTEN_FDS: '1' }, 42), { udp: 3 });
  t.deepEqual(takeListenFds({}, 42), {});
});
