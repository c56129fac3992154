import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { IdlocError } from '../../src/base/errors.ts';
import { notifySystemd } from '../../src/native/systemd.ts';

/** Node has no Unix datagram sockets: says "bound", then what came, each message as JSON, once a line asks for it. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
for line in sys.stdin:
    print(json.dumps(s.recv(65536).decode()), flush=True)
`;

const environment = { ...process.env, LD_PRELOAD: '' };
const hasPython = spawnSync('python3', ['-c', ''], { env: environment }).status === 0;
if (!hasPython) console.log('tests of a notification socket are skipped: there is no python3 to receive');
const withPython = hasPython ? test : test.skip;

async function receiver(t: ExecutionContext, name: string): Promise<() => Promise<unknown>> {
  const child = spawn('python3', ['-c', RECEIVER, name], { stdio: ['pipe', 'pipe', 'inherit'], env: environment });
  const lines = createInterface({ input: child.stdout });
  t.teardown(() => child.stdin.end());
  await once(lines, 'line');
  return async () => {
    const line = once(lines, 'line') as Promise<[string]>;
    child.stdin.write('\n');
    return JSON.parse((await line)[0]) as unknown;
  };
}

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

withPython('a message reaches a socket with a path and one with an abstract name whole', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of [join(folder, 'notify'), `@${folder}`]) {
    const receive = await receiver(t, name);
    notifySystemd(name, 'READY=1\nSTATUS=größer');
    notifySystemd(name, 'STOPPING=1');
    t.is(await receive(), 'READY=1\nSTATUS=größer', name);
    t.is(await receive(), 'STOPPING=1', name);
  }
});

withPython('a full queue is EAGAIN, not a wait, and takes messages again once it was read', async (t) => {
  const name = join(temporaryFolder(t), 'notify');
  const receive = await receiver(t, name);
  let sent = 0;
  const error = t.throws(
    () => {
      for (; sent < 100_000; sent++) notifySystemd(name, `WATCHDOG=${sent}`);
    },
    { instanceOf: IdlocError },
  );
  t.is(error.code, 'EAGAIN');
  for (let i = 0; i < sent; i++) t.is(await receive(), `WATCHDOG=${i}`);
  notifySystemd(name, 'READY=1');
  t.is(await receive(), 'READY=1');
});

test('a socket that is not there, or is no socket, is an error with a code', (t) => {
  const folder = temporaryFolder(t);
  const wrong: [string, string][] = [
    [join(folder, 'nothing'), 'ENOENT'],
    [folder, 'ECONNREFUSED'],
    [`@${folder}`, 'ECONNREFUSED'],
    ['', 'EAFNOSUPPORT'],
    ['@', 'EAFNOSUPPORT'],
    ['vsock:2:1', 'EAFNOSUPPORT'],
    [`/${'x'.repeat(200)}`, 'ENAMETOOLONG'],
  ];
  for (const [name, code] of wrong)
    t.is(t.throws(() => notifySystemd(name, 'READY=1'), { instanceOf: IdlocError }, name).code, code, name);
  t.throws(() => notifySystemd(1 as unknown as string, 'x'), { instanceOf: TypeError });
});
