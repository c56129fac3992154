import { existsSync, linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { request } from '../../../src/control/client.ts';
import {
  MAX_CLIENTS,
  MAX_PENDING_REQUESTS,
  MAX_REQUEST_BYTES,
  MAX_UNREAD_BYTES,
} from '../../../src/control/constants.ts';
import { ControlServer } from '../../../src/control/control-server.ts';
import { LineReader } from '../../../src/control/line-reader.ts';
import type { ControlHandlers } from '../../../src/control/schemas.ts';
import {
  exampleDoctor,
  exampleNetcheck,
  exampleOverlay,
  examplePing,
  exampleStatus,
  exampleTicket,
} from './example-status.ts';

const handlers: ControlHandlers = {
  status: () => exampleStatus,
  invite: ({ user, expiresS, uses }) => ({
    ticket: `ticket ${user ?? '-'} ${expiresS ?? '-'} ${uses ?? '-'}`,
    id: '01',
  }),
  tickets: () => ({ tickets: [] }),
  withdraw: () => ({ withdrawn: exampleTicket }),
  ping: ({ target }) => Promise.reject(new IdlocError('no_such_name', `${target}: nobody has that name: check it`)),
  netcheck: () => exampleNetcheck,
  doctor: () => exampleDoctor,
  resolve: () => {
    throw new Error('a bug');
  },
  members: () => ({ members: [], missing: 0 }),
  grant: () => ({ granted: [] }),
  revoke: () => ({ revoked: [], tickets: 0 }),
  rename: () => ({ renamed: [] }),
  overlay: () => exampleOverlay,
  counters: () => ({ 'dns.queries': 3 }),
  join: () => ({ overlay: 'home.example', hit: exampleStatus.hit, name: 'bob.home.example', changed: true }),
  create: ({ overlay }) => ({ overlay, hit: exampleStatus.hit, name: `bob.${overlay}`, changed: true }),
  leave: () => ({ overlay: 'home.example', files: '/state/left-home.example', givenBack: true }),
  exportAuthority: () => ({ overlay: 'home.example', text: 'sealed' }),
  importAuthority: () => ({ overlay: 'home.example', hit: '2001:20::1', name: null, changed: true }),
  voicemail: () => ({ messages: [], problem: null }),
  readVoicemail: ({ id }) => ({ id, ogg: '' }),
  markVoicemailHeard: () => ({}),
  removeVoicemail: ({ ids }) => ({ removed: ids }),
  contacts: () => ({ contacts: [], problem: null }),
  phoneFiles: () => ({ files: [], problem: null }),
  readPhoneFile: ({ name }) => ({ name, bytes: 0, savedAt: 0, content: '' }),
  savePhoneFile: ({ name }) => ({ name, bytes: 0, savedAt: 0, problem: null }),
  removePhoneFiles: ({ names }) => ({ removed: names, problem: null }),
  numbers: () => ({ numbers: [] }),
  assignNumber: (asked) => asked,
  releaseNumber: ({ number }) => ({ number, member: 'bob' }),
  changeContacts: () => ({ put: 0, removed: 0 }),
  down: () => ({}),
};

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

async function start(t: ExecutionContext, changed: Partial<ControlHandlers> = {}) {
  const path = join(folder(t), 'idloc.sock');
  const server = new ControlServer(
    { handlers: { ...handlers, ...changed }, logger: silentLogger, report: () => {} },
    { path },
  );
  await server.start();
  t.teardown(() => server.stop());
  return { server, path };
}

/** Sends bytes as they are, and reads until the server closes or `lines` lines are there. */
async function exchange(path: string, bytes: string | Uint8Array, lines: number): Promise<unknown[]> {
  const socket = connect(path);
  socket.write(bytes);
  const reader = new LineReader(1 << 20);
  const answers: unknown[] = [];
  for await (const chunk of socket) {
    for (const line of reader.push(chunk as Buffer)) answers.push(JSON.parse(line));
    if (answers.length >= lines) break;
  }
  socket.destroy();
  return answers;
}

test('a client gets what the agent answers, and the error that it gives', async (t) => {
  const { path } = await start(t);
  t.deepEqual(await request(path, 'status', {}), exampleStatus);
  t.deepEqual(await request(path, 'invite', { user: 'alice', uses: 2 }), { ticket: 'ticket alice - 2', id: '01' });
  await t.throwsAsync(request(path, 'ping', { target: 'eve' }), {
    code: 'no_such_name',
    message: 'eve: nobody has that name: check it',
  });
  await t.throwsAsync(request(path, 'resolve', { target: 'eve' }), { code: 'internal' });
});

test('an answer that cannot be written is reported, its client hears of an internal error, and others are served', async (t) => {
  const path = join(folder(t), 'idloc.sock');
  const reported: string[] = [];
  const server = new ControlServer(
    {
      handlers: { ...handlers, counters: () => ({ sent: 1n as unknown as number }) },
      logger: silentLogger,
      report: (what) => void reported.push(what),
    },
    { path },
  );
  await server.start();
  t.teardown(() => server.stop());
  await t.throwsAsync(request(path, 'counters', {}), { code: 'internal' });
  t.deepEqual(reported, ['control answer']);
  t.deepEqual(await request(path, 'status', {}), exampleStatus);
});

test('only the owner and the group may use the socket, and it goes away with the agent', async (t) => {
  const { server, path } = await start(t);
  t.is(statSync(path).mode & 0o777, 0o660);
  await server.stop();
  await server.stop();
  t.false(existsSync(path));
});

test('what is no request is answered with the reason, and the connection lives on', async (t) => {
  const { path } = await start(t);
  const lines = [
    'not json',
    '{"method":"status"}',
    '{"id":1,"method":"toString"}',
    '{"id":2,"method":"ping","params":{"target":"bob","count":0}}',
    '{"id":3,"method":"status","params":{"x":1}}',
    '{"id":"four","method":"counters"}',
  ];
  const answers = (await exchange(path, lines.map((line) => `${line}\n`).join(''), 6)) as {
    id: unknown;
    error?: { code: string };
  }[];
  const seen = new Set(answers.map(({ id, error }) => `${String(id)} ${error?.code ?? 'ok'}`));
  t.deepEqual(seen, new Set(['null bad_request', '1 unknown_method', '2 bad_params', '3 bad_params', 'four ok']));
});

test('a line without end is cut off, and others are served meanwhile', async (t) => {
  const { path } = await start(t);
  const [answer] = await exchange(path, Buffer.alloc(MAX_REQUEST_BYTES + 1, 0x61), 2);
  t.like(answer, { error: { code: 'bad_request' } });
  t.deepEqual(await request(path, 'down', {}), {});
});

test('a request is aborted when its client goes away', async (t) => {
  const aborted = Promise.withResolvers<undefined>();
  const { path } = await start(t, {
    ping: (_params, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          aborted.resolve(undefined);
          reject(new IdlocError('interrupted', 'interrupted'));
        }),
      ),
  });
  const socket = connect(path);
  socket.write('{"id":1,"method":"ping","params":{"target":"bob"}}\n');
  await once(socket, 'connect');
  socket.end();
  socket.destroy();
  await aborted.promise;
  t.pass();
});

/** Of a method that anyone may call, larger than a socket takes. */
const LARGE = { exportAuthority: () => ({ overlay: 'home.example', text: 'x'.repeat(1 << 20) }) };
const ASK_LARGE = '{"id":1,"method":"exportAuthority","params":{"passphrase":"correct horse"}}\n';

test('whoever asks and never reads the answers is cut off', async (t) => {
  let asked = 0;
  const counted = (): { overlay: string; text: string } => {
    asked += 1;
    return LARGE.exportAuthority();
  };
  const { path } = await start(t, { exportAuthority: counted });
  const socket = connect(path).pause();
  t.teardown(() => socket.destroy());
  const cut = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('error', () => {});
  const writing = setInterval(() => socket.write(ASK_LARGE), 1);
  await cut;
  clearInterval(writing);
  t.true(asked * (1 << 20) <= MAX_UNREAD_BYTES + (MAX_PENDING_REQUESTS << 20), `${asked} answers`);
});

test('the agent ends though a client does not read its answer', async (t) => {
  const { server, path } = await start(t, LARGE);
  const socket = connect(path).pause();
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(ASK_LARGE);
  // Answered after it.
  await request(path, 'down', {});
  await server.stop();
  t.false(existsSync(path));
});

test('the socket file of a killed agent is replaced, that of a living one is not', async (t) => {
  const path = join(folder(t), 'idloc.sock');
  const dead = createServer().listen(path);
  await once(dead, 'listening');
  // A second name for the socket outlives its owner, as the first does after kill -9.
  linkSync(path, `${path}.kept`);
  dead.close();
  await once(dead, 'close');
  linkSync(`${path}.kept`, path);
  const server = new ControlServer({ handlers, logger: silentLogger, report: () => {} }, { path });
  await server.start();
  t.teardown(() => server.stop());
  t.is((await request(path, 'status', {})).hit, exampleStatus.hit);
  const second = new ControlServer({ handlers, logger: silentLogger, report: () => {} }, { path });
  await t.throwsAsync(second.start(), { code: 'already_running' });
  t.is((await request(path, 'status', {})).hit, exampleStatus.hit);
});

test('a path that cannot be used is one line that says what to do', async (t) => {
  const where = folder(t);
  writeFileSync(join(where, 'file'), '');
  const startAt = (path: string) =>
    new ControlServer({ handlers, logger: silentLogger, report: () => {} }, { path }).start();
  await t.throwsAsync(startAt(join(where, 'file')), { message: /a file that is no socket is in the way: remove it/ });
  await t.throwsAsync(startAt(join(where, 'file', 'sock')), { message: /file is no folder: choose/ });
  await t.throwsAsync(startAt(join(where, 'x'.repeat(108))), { message: /longer than the 107 bytes/ });
});

test('an agent that says nothing is waited for no longer than two of its signs of life, and the client says so', async (t) => {
  const path = join(folder(t), 'idloc.sock');
  const held: Socket[] = [];
  const server = createServer((socket) => held.push(socket.resume()));
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  await t.throwsAsync(request(path, 'status', {}, { aliveEveryMs: 50 }), {
    code: 'no_answer',
    message:
      'the agent does not answer `status`, nor anything else for 0.1 s: it was stopped or hangs: see `systemctl status idloc`',
  });
});

test('an agent that is busy with what was asked, and lives, is waited for', async (t) => {
  let finish = (): void => {};
  const { path } = await start(t, {
    ping: () => new Promise((resolve) => (finish = () => resolve(examplePing))),
  });
  const asked = request(path, 'ping', { target: 'bob' }, { aliveEveryMs: 400 });
  await delay(1_300);
  finish();
  t.deepEqual(await asked, examplePing);
});

test('clients that ask nothing give way to others, those that wait for an answer do not', async (t) => {
  let finish = (): void => {};
  const { path } = await start(t, {
    ping: () => new Promise((resolve) => (finish = () => resolve(examplePing))),
  });
  const asked = request(path, 'ping', { target: 'bob' });
  for (let i = 0; i < 2 * MAX_CLIENTS; i++) {
    const idle = connect(path).on('error', () => undefined);
    t.teardown(() => idle.destroy());
    await once(idle, 'connect');
  }
  t.deepEqual(await request(path, 'status', {}), exampleStatus);
  finish();
  t.deepEqual(await asked, examplePing);
});

test('without an agent the client says how to start it', async (t) => {
  const path = join(folder(t), 'idloc.sock');
  await t.throwsAsync(request(path, 'status', {}), {
    code: 'not_running',
    message: `idloc is not running (no socket at ${path}): start it with \`idloc up --socket ${path}\``,
  });
});

test('an agent that dies in the middle of a request is one line too', async (t) => {
  const path = join(folder(t), 'idloc.sock');
  const server = createServer((socket) => socket.once('data', () => socket.end('{"id":1,')));
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => server.close());
  await t.throwsAsync(request(path, 'status', {}), { code: 'connection_lost' });
});
