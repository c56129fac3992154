import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Guard } from '../../../src/agent/guard.ts';
import { SipConnection } from '../../../src/agent/sip-connection.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { tcpFlow } from '../../../src/sip/flow.ts';

const AT = { address: '127.0.0.1', port: 5062 };
const MESSAGE = 'OPTIONS sip:a@home.example SIP/2.0\r\nContent-Length: 0\r\n\r\n';

/** Both ends of a connection. */
async function connected(t: ExecutionContext): Promise<{ ours: Socket; theirs: Socket }> {
  const server = createServer();
  server.listen(0, AT.address);
  await once(server, 'listening');
  const theirs = connect((server.address() as AddressInfo).port, AT.address);
  const [ours] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    theirs.destroy();
    server.close();
  });
  return { ours, theirs };
}

for (const [where, stream] of [
  ['at a message that came', (): never => bug()],
  ['once a message is handled', (_flow: unknown, _messages: unknown, done: () => void): void => done()],
] as const)
  test(`a bug ${where} ends that connection, and nothing else`, async (t) => {
    const guard = new Guard({ logger: silentLogger });
    const { ours, theirs } = await connected(t);
    const ended = new Promise<void>((resolve) => {
      const connection = new SipConnection(
        {
          ...{ socket: ours, inbox: { stream }, logger: silentLogger, guard, used: () => undefined },
          closed: () => resolve(),
        },
        { flow: tcpFlow({ local: AT, remote: AT }), idleMs: 60_000, connect: false },
      );
      if (where !== 'at a message that came') connection['goOn'] = bug;
    });
    theirs.write(MESSAGE);
    await ended;
    t.is(guard.count, 1);
  });

function bug(): never {
  throw new Error('a bug');
}
