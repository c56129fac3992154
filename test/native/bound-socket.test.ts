import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Server } from 'node:net';
import test from 'ava';
import { IdlocError } from '../../src/base/errors.ts';
import { bindSocket, listeningAddress } from '../../src/native/bound-socket.ts';

test('a socket bound to loopback hears programs of this host at its own address alone', async (t) => {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind({ fd: bindSocket('udp', { address: '127.0.60.99', port: 0 }, 'lo'), exclusive: true });
  const { address, port } = socket.address();
  t.is(address, '127.0.60.99');
  const sender = createSocket('udp4');
  t.teardown(() => sender.close());
  sender.send('hello', port, '127.0.60.99');
  const [bytes] = (await once(socket, 'message')) as [Buffer];
  t.is(bytes.toString(), 'hello');
});

for (const transport of ['udp', 'tcp'] as const)
  test(`a ${transport} port that is taken, an interface and an address that are not there are told apart`, (t) => {
    const code = (address: string, port: number, interfaceName: string): string =>
      t.throws<IdlocError>(() => bindSocket(transport, { address, port }, interfaceName), { instanceOf: IdlocError })
        .code;
    const fd = bindSocket(transport, { address: '127.0.60.98', port: 45_062 }, 'lo');
    t.teardown(() => closeSync(fd));
    // Of TCP the port may be reused as long as nobody listens.
    if (transport === 'udp') t.is(code('127.0.60.98', 45_062, 'lo'), 'EADDRINUSE');
    t.is(code('127.0.60.98', 45_063, 'no-such'), 'ENODEV');
    t.is(code('203.0.113.7', 45_064, 'lo'), 'EADDRNOTAVAIL');
    t.throws(() => bindSocket(transport, { address: '127.0.0.1', port: 70_000 }, 'lo'), { instanceOf: RangeError });
    t.throws(() => bindSocket(transport, { address: 'localhost', port: 45_065 }, 'lo'), { instanceOf: TypeError });
  });

test('where a socket listens is told by its descriptor; one that does not listen, a file and none are nowhere', async (t) => {
  const fd = bindSocket('tcp', { address: '127.0.60.97', port: 0 }, 'lo');
  t.is(listeningAddress(fd), undefined);
  const server = new Server().listen({ fd });
  t.teardown(() => server.close());
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return t.fail('it has no port');
  t.deepEqual(listeningAddress(fd), { address: '127.0.60.97', port: bound.port });
  const file = openSync('/dev/null', 'r');
  t.teardown(() => closeSync(file));
  for (const other of [file, 1_000_000]) t.is(listeningAddress(other), undefined);
});
