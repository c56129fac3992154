import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { keepNamedStreams, SystemdNotifier, takeListenFds, tellOverlay } from '../../../src/agent/systemd.ts';

/** A notification socket that writes down what it was told; `fail` throws instead. */
function fakeSystemd(fail: (call: number) => Error | undefined = () => undefined) {
  const told: [string, string][] = [];
  const warnings: string[] = [];
  let calls = 0;
  const notify = (socketPath: string, text: string): void => {
    const error = fail(++calls);
    if (error !== undefined) throw error;
    told.push([socketPath, text]);
  };
  const logger = { ...silentLogger, warn: (event: string) => warnings.push(event) };
  return { components: { logger, notify }, told, warnings, calls: () => calls };
}

const env = { NOTIFY_SOCKET: '/run/notify' };

test('systemd is told once the agent is ready, what it does, and that it stops', async (t) => {
  const { components, told } = fakeSystemd();
  const notifier = new SystemdNotifier(components, { env, pid: 1 });
  await notifier.ready('home.example:\n2001:20::1');
  await notifier.status('joined');
  await notifier.stopping();
  t.deepEqual(told, [
    ['/run/notify', 'READY=1\nSTATUS=home.example: 2001:20::1'],
    ['/run/notify', 'STATUS=joined'],
    ['/run/notify', 'STOPPING=1'],
  ]);
});

test('without systemd nothing is sent', async (t) => {
  const { components, calls } = fakeSystemd();
  const notifier = new SystemdNotifier(components, { env: { WATCHDOG_USEC: '1000' }, pid: 1 });
  await notifier.ready('x');
  await notifier.stopping();
  t.is(calls(), 0);
});

test('a notification socket that is gone is a warning, not an end', async (t) => {
  const { components, warnings, calls } = fakeSystemd(() => new IdlocError('ENOENT', 'no such file'));
  await new SystemdNotifier(components, { env, pid: 1 }).ready('x');
  t.deepEqual(warnings, ['systemd not notified']);
  t.is(calls(), 1);
});

test('a message that finds the queue of systemd full is sent again', async (t) => {
  const { components, told, warnings } = fakeSystemd((call) =>
    call === 1 ? new IdlocError('EAGAIN', 'full') : undefined,
  );
  await new SystemdNotifier(components, { env, pid: 1 }).status('x');
  t.deepEqual(told, [['/run/notify', 'STATUS=x']]);
  t.deepEqual(warnings, []);
});

test('sockets are taken only when they were meant for this process, and never passed on', (t) => {
  const given = { LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b', HOME: '/' };
  const mine = { ...given };
  t.deepEqual(takeListenFds(mine, 42), { dns: { udp: 3, tcp: 4 }, streams: [] });
  t.deepEqual(mine as NodeJS.ProcessEnv, { HOME: '/' });
  const none = { dns: {}, streams: [] };
  t.deepEqual(takeListenFds({ ...given }, 43), none);
  t.deepEqual(takeListenFds({ ...given, LISTEN_FDS: 'x' }, 42), none);
  t.deepEqual(takeListenFds({ ...given, LISTEN_FDS: '1000000000' }, 42), none);
  t.deepEqual(takeListenFds({ ...given, LISTEN_FDS: '1' }, 42), { dns: { udp: 3, tcp: undefined }, streams: [] });
  t.deepEqual(takeListenFds({}, 42), none);
});

test('sockets for streams are told from those for DNS by the unit that they come from, in whatever order', (t) => {
  const of = (...names: string[]): ReturnType<typeof takeListenFds> =>
    takeListenFds({ LISTEN_PID: '42', LISTEN_FDS: String(names.length), LISTEN_FDNAMES: names.join(':') }, 42);
  const [dns, stream] = ['idloc-dns.socket', 'idloc-stream.socket'];
  t.deepEqual(of(dns, dns, stream, stream), { dns: { udp: 3, tcp: 4 }, streams: [5, 6] });
  t.deepEqual(of(stream, stream, dns, dns), { dns: { udp: 5, tcp: 6 }, streams: [3, 4] });
  t.deepEqual(of(stream), { dns: { udp: undefined, tcp: undefined }, streams: [3] });
});

test('of the sockets for streams those that the settings name are kept, the others are closed and said', (t) => {
  const warned: unknown[] = [];
  const logger = { ...silentLogger, warn: (...said: unknown[]) => warned.push(said) };
  const sockets = [openSync('/dev/null', 'r'), openSync('/dev/null', 'r'), openSync('/dev/null', 'r')] as const;
  const addresses = new Map([
    [sockets[0], { address: '::', port: 443 }],
    [sockets[1], { address: '0.0.0.0', port: 443 }],
  ]);
  const components = { logger, listeningAddress: (socket: number) => addresses.get(socket) };
  const kept = keepNamedStreams(sockets, [{ address: '0.0.0.0', port: 443 }], components);
  t.deepEqual(kept, [sockets[1]]);
  const message = 'idloc-stream.socket listens where nothing is accepted';
  t.deepEqual(warned, [
    [message, { addr: '[::]:443', setting: 'stream.listen' }],
    [message, { addr: undefined, setting: 'stream.listen' }],
  ]);
  for (const closed of [sockets[0], sockets[2]]) t.throws(() => fstatSync(closed), { code: 'EBADF' });
  t.notThrows(() => fstatSync(sockets[1]));
  t.deepEqual(keepNamedStreams(kept, [], components), []);
  t.throws(() => fstatSync(sockets[1]), { code: 'EBADF' });
});

test('a service writes into its directory which overlay it is in; without one, or without room, nothing else happens', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-run-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const { components, warnings } = fakeSystemd();
  for (const overlay of ['first.example', 'second.example']) {
    tellOverlay({ RUNTIME_DIRECTORY: directory }, overlay, components.logger);
    t.is(readFileSync(join(directory, 'overlay'), 'utf8'), `${overlay}\n`);
  }
  tellOverlay({}, 'first.example', components.logger);
  t.is(warnings.length, 0);
  tellOverlay({ RUNTIME_DIRECTORY: join(directory, 'gone') }, 'first.example', components.logger);
  t.is(warnings.length, 1);
});
