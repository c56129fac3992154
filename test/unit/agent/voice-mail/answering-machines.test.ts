import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AnsweringMachines } from '../../../../src/agent/voice-mail/answering-machines.ts';
import { Guard } from '../../../../src/agent/guard.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import {
  encodeFrame,
  encodeJson,
  FRAME,
  type Frame,
  FrameReader,
  MAX_PAYLOAD_BYTES,
  parseOrders,
} from '../../../../src/machine/frames.ts';

const ORDERS = { task: 'record', family: 6, codec: 'g711', maxSeconds: 10 } as const;

interface Fixture {
  readonly machines: AnsweringMachines;
  readonly warnings: string[];
}

function agent(socket: string): Fixture {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (event: string) => void warnings.push(event) };
  const guard = new Guard({ logger });
  return { machines: new AnsweringMachines({ logger, guard }, { socket, interfaceName: 'idloc0' }), warnings };
}

/** @param serve the other end of each connection */
async function machine(t: ExecutionContext, serve: (socket: Socket) => void): Promise<Fixture & { server: Server }> {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-'));
  const path = join(folder, 's');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { server, ...agent(path) };
}

test('orders and sounds reach the machine; its address, the recording and the report come back', async (t) => {
  const heard: Frame[] = [];
  const { machines, warnings } = await machine(t, (socket) => {
    const reader = new FrameReader();
    socket.on('data', (piece: Buffer) => {
      heard.push(...reader.push(piece));
      if (heard.at(-1)?.type !== FRAME.start) return;
      socket.write(encodeJson(FRAME.ready, { port: 6_000 }));
      socket.write(encodeFrame(FRAME.recording, Buffer.from('said')));
      socket.end(encodeJson(FRAME.over, { seconds: 3, played: 0, why: 'hung up' }));
    });
  });
  t.true(machines.areThere);
  const run = machines.start(ORDERS, [Buffer.from('greeting')]);
  t.deepEqual(await run.ready, { address: '::1', port: 6_000 });
  const result = await run.over;
  t.like(result, { seconds: 3, why: 'hung up' });
  t.is(Buffer.from(result?.ogg ?? []).toString(), 'said');
  t.deepEqual(
    heard.map(({ type }) => type),
    [FRAME.orders, FRAME.sound, FRAME.start],
  );
  t.deepEqual(parseOrders(heard[0]?.payload ?? Buffer.alloc(0)), { ...ORDERS, interfaceName: 'idloc0' });
  t.deepEqual(warnings, []);
});

const long = Buffer.alloc(5);
long.writeUInt8(FRAME.recording, 0);
long.writeUInt32BE(MAX_PAYLOAD_BYTES + 1, 1);
for (const [what, bytes] of [
  ['ends at once', Buffer.alloc(0)],
  ['says what is no frame', Buffer.from('HTTP/1.1 200 OK')],
  ['says more than there is room for', long],
  ['has no port', encodeJson(FRAME.ready, { port: -1 })],
  ['has no report', encodeJson(FRAME.over, { seconds: 'x' })],
] as const)
  test(`a machine that ${what} has failed: one line in the log, and nothing of it is taken`, async (t) => {
    const { machines, warnings } = await machine(t, (socket) => void socket.end(bytes));
    const run = machines.start(ORDERS, []);
    t.is(await run.ready, undefined);
    t.is(await run.over, undefined);
    t.deepEqual(warnings, ['voice mail: an answering machine has failed']);
  });

test('the agent ends: a machine that records is told that it is enough, and what it has is there; one that plays ends at once', async (t) => {
  const { machines, warnings } = await machine(t, (socket) => {
    const reader = new FrameReader();
    socket.on('data', (piece: Buffer) => {
      for (const { type } of reader.push(piece)) {
        if (type === FRAME.start) socket.write(encodeJson(FRAME.ready, { port: 6_000 }));
        if (type !== FRAME.enough) continue;
        socket.write(encodeFrame(FRAME.recording, Buffer.from('said')));
        socket.end(encodeJson(FRAME.over, { seconds: 3, played: 0, why: 'the agent ends' }));
      }
    });
  });
  const [recording, playing] = [machines.start(ORDERS, []), machines.start({ ...ORDERS, task: 'play' }, [])];
  for (const { ready } of [recording, playing]) t.not(await ready, undefined);
  let said: Uint8Array | undefined;
  void recording.over.then((result) => (said = result?.ogg));
  await machines.stop();
  t.is(Buffer.from(said ?? []).toString(), 'said');
  t.is(await playing.over, undefined);
  t.deepEqual(warnings, []);
});

test('nobody has switched machines on: there are none; and a socket that nobody listens at is one that fails', async (t) => {
  const { machines } = agent('/nowhere/idloc.sock');
  t.false(machines.areThere);
  const run = machines.start(ORDERS, []);
  t.deepEqual([await run.ready, await run.over], [undefined, undefined]);
  t.false(agent('/dev/null').machines.areThere);
});

test('eight calls at a time have a machine, the ninth has none, and all end with the agent', async (t) => {
  const { machines, warnings } = await machine(t, (socket) => {
    socket.write(encodeJson(FRAME.ready, { port: 6_000 }));
  });
  const runs = Array.from({ length: 8 }, () => machines.start(ORDERS, []));
  for (const { ready } of runs) t.not(await ready, undefined);
  t.is(await machines.start(ORDERS, []).ready, undefined);
  await machines.stop();
  for (const { over } of runs) t.is(await over, undefined);
  t.is(await machines.start(ORDERS, []).ready, undefined);
  t.deepEqual(warnings, []);
});
