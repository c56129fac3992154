import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { Guard } from '../../../src/agent/guard.ts';
import { TrunkSockets } from '../../../src/agent/trunk-sockets.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { TrunkTls } from '../../../src/config/trunk-tls-settings.ts';
import { type SipFlow, tcpFlow, tlsFlow } from '../../../src/sip/flow.ts';
import { makeAuthority } from '../../native/support/named-certificate.ts';

const LOOPBACK = '127.0.0.1';
const DOMAIN = 'sip.example.org';
const DAY_MS = 86_400_000;
const OPTIONS = Buffer.from(`OPTIONS sip:${DOMAIN} SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n`);
const AUTHORITY = await makeAuthority();
const STRANGER = await makeAuthority();
const GOOD = await AUTHORITY.issue([DOMAIN]);

interface Server {
  readonly port: number;
  readonly heard: () => string;
  readonly connections: TLSSocket[];
}

async function provider(
  t: ExecutionContext,
  { certificates, key }: { readonly certificates: string; readonly key: string },
  options: TlsOptions = {},
): Promise<Server> {
  let heard = '';
  const connections: TLSSocket[] = [];
  const server = createServer({ cert: certificates, key, ...options }, (socket) => {
    connections.push(socket);
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')));
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, heard: () => heard, connections };
}

interface Gateway {
  readonly sockets: TrunkSockets;
  readonly received: SipFlow[];
  readonly closed: (string | undefined)[];
  readonly flowTo: (port: number) => SipFlow;
}

function gateway(t: ExecutionContext, given: Partial<TrunkTls> = {}): Gateway {
  const received: SipFlow[] = [];
  const closed: (string | undefined)[] = [];
  const tls = {
    ...{ names: [DOMAIN], serverName: DOMAIN, authorities: AUTHORITY.certificate, own: undefined },
    ...given,
  };
  const sockets = new TrunkSockets(
    {
      ...{ clock: systemClock, random: seededRandom(5922), logger: silentLogger },
      guard: new Guard({ logger: silentLogger }),
      isWelcome: () => true,
      receive: (flow) => void received.push(flow),
      flowClosed: (_, why) => void closed.push(why),
    },
    { port: 5_064, address: undefined, tls },
  );
  t.teardown(() => sockets.stop());
  const local = { address: LOOPBACK, port: 5_064 };
  return { sockets, received, closed, flowTo: (port) => tlsFlow({ local, remote: { address: LOOPBACK, port } }) };
}

async function until(t: ExecutionContext, what: string, is: () => boolean): Promise<void> {
  const end = performance.now() + 8_000;
  while (!is()) {
    if (performance.now() > end) {
      t.fail(what);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a provider with a certificate of its domain is spoken to by one connection, and heard, and its pings are answered', async (t) => {
  const { port, heard, connections } = await provider(t, GOOD);
  const { sockets, received, closed, flowTo } = gateway(t);
  sockets.send(flowTo(port), OPTIONS);
  sockets.send(flowTo(port), OPTIONS);
  await until(t, 'it hears both', () => heard().length === 2 * OPTIONS.length);
  t.is(connections.length, 1);
  t.is(connections[0]?.servername, DOMAIN);
  connections[0]?.write(`${OPTIONS.toString()}\r\n\r\n`);
  await until(t, 'it is heard', () => received.length === 1);
  t.is(received[0]?.key, flowTo(port).key);
  await until(t, 'its ping is answered', () => heard().endsWith('\r\n\r\n\r\n'));
  connections[0]?.end();
  await until(t, 'the end is told', () => closed.length === 1);
  t.deepEqual(closed, [undefined]);
});

for (const [what, issue, why] of [
  [
    'of another name',
    async () => AUTHORITY.issue(['other.example']),
    `its certificate is of other.example, not of ${DOMAIN}`,
  ],
  [
    'of a whole domain, as RFC 5922 forbids',
    async () => AUTHORITY.issue(['*.example.org']),
    `its certificate is of *.example.org, not of ${DOMAIN}`,
  ],
  [
    'with a SIP URI of another one, beside the right name of DNS',
    async () => AUTHORITY.issue([DOMAIN], { uris: ['sip:other.example'] }),
    `its certificate is of other.example, not of ${DOMAIN}`,
  ],
  [
    'of many names',
    async () => AUTHORITY.issue(['a.example', 'b.example', 'c.example', 'd.example']),
    `its certificate is of a.example, b.example, c.example and 1 more, not of ${DOMAIN}`,
  ],
  [
    'of an authority that nobody here trusts',
    async () => STRANGER.issue([DOMAIN]),
    'its certificate is of an authority that is not trusted here (sip.trunk.ca_file)',
  ],
  [
    'that has ended',
    async () =>
      AUTHORITY.issue([DOMAIN], {
        ...{ notBefore: new Date(Date.now() - 9 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) },
      }),
    'its certificate has expired',
  ],
] as const)
  test(`a provider with a certificate ${what} hears nothing, and its owner is told why`, async (t) => {
    const { port, heard } = await provider(t, await issue());
    const { sockets, closed, flowTo } = gateway(t);
    sockets.send(flowTo(port), OPTIONS);
    await until(t, 'the end is told', () => closed.length === 1);
    t.deepEqual(closed, [`${LOOPBACK}:${port}: ${why}`]);
    t.is(heard(), '');
  });

test('a SIP URI in the certificate, and a name that the owner wrote down, a wildcard too, are good', async (t) => {
  for (const [certificate, given] of [
    [await AUTHORITY.issue(['other.example'], { uris: [`sip:${DOMAIN}`, 'sip:a@x.example'] }), {}],
    [await AUTHORITY.issue(['*.Example.org']), { names: ['*.example.org'] }],
  ] as const) {
    const { port, heard } = await provider(t, certificate);
    const { sockets, flowTo } = gateway(t, given);
    sockets.send(flowTo(port), OPTIONS);
    await until(t, 'it hears it', () => heard().length === OPTIONS.length);
    t.is(heard(), OPTIONS.toString());
  }
});

for (const [version, why] of [
  ['TLSv1.2', /TLS fails: ERR_SSL_.*HANDSHAKE_FAILURE$/],
  ['TLSv1.3', /it wants a certificate of ours \(sip\.trunk\.certificate_file\)$/],
] as const)
  test(`${version}: a provider that wants a certificate is shown ours, and without one the owner is told`, async (t) => {
    const wants = { requestCert: true, rejectUnauthorized: true, ca: AUTHORITY.certificate, maxVersion: version };
    const { port, heard } = await provider(t, GOOD, wants);
    const without = gateway(t);
    without.sockets.send(without.flowTo(port), OPTIONS);
    await until(t, 'the end is told', () => without.closed.length > 0);
    t.regex(without.closed[0] ?? '', why);
    t.is(heard(), '');
    const ours = await AUTHORITY.issue(['gateway.example']);
    const files = { certificates: '/nonexistent/idloc/cert.pem', key: '/nonexistent/idloc/key.pem' };
    const { sockets, flowTo } = gateway(t, { own: { certificate: ours, certificateFiles: files } });
    sockets.send(flowTo(port), OPTIONS);
    await until(t, 'it hears it', () => heard().length === OPTIONS.length);
  });

test('without a file of authorities those of the system count, and a laboratory is none of them', async (t) => {
  const { port, heard } = await provider(t, GOOD);
  const { sockets, closed, flowTo } = gateway(t, { authorities: '' });
  sockets.send(flowTo(port), OPTIONS);
  await until(t, 'the end is told', () => closed.length === 1);
  t.regex(closed[0] ?? '', /its certificate is of an authority that is not trusted here/);
  t.is(heard(), '');
});

test('where TLS is spoken, nothing goes out without it', async (t) => {
  const { port, heard } = await provider(t, GOOD);
  const { sockets, closed, flowTo } = gateway(t);
  const { local, remote } = flowTo(port);
  sockets.send(tcpFlow({ local, remote }), OPTIONS);
  await until(t, 'it cannot go', () => closed.length === 1);
  t.is(heard(), '');
});

test('what speaks no TLS at all is told as that', async (t) => {
  const server = createTcpServer((socket) => socket.end('SIP/2.0 400 Bad Request\r\n\r\n'));
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { sockets, closed, flowTo } = gateway(t);
  sockets.send(flowTo(port), OPTIONS);
  await until(t, 'the end is told', () => closed.length === 1);
  t.regex(closed[0] ?? '', new RegExp(`^${LOOPBACK}:${port}: TLS fails: [A-Z_]+$`));
});

test('the network is another one: a connection from an address that leads there no more is closed, another one stays', async (t) => {
  const { port, heard } = await provider(t, GOOD);
  const { sockets, closed, flowTo } = gateway(t);
  sockets.send(flowTo(port), OPTIONS);
  await until(t, 'it hears it', () => heard().length === OPTIONS.length);
  sockets.networkChanged();
  await new Promise((resolve) => setTimeout(resolve, 50));
  sockets.send(flowTo(port), OPTIONS);
  await until(t, 'it hears the next one by the same', () => heard().length === 2 * OPTIONS.length);
  t.deepEqual(closed, []);
  sockets.ends.routeTo = () => '127.0.0.9';
  sockets.networkChanged();
  await until(t, 'the end is told', () => closed.length === 1);
  t.deepEqual(closed, [undefined]);
});

test('our certificate is renewed on disk: the next connection shows that one', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-trunk-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const files = { certificates: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  const [former, renewed] = await Promise.all([
    AUTHORITY.issue(['gateway.example']),
    AUTHORITY.issue(['gateway.example']),
  ]);
  const wants = { requestCert: true, rejectUnauthorized: true, ca: AUTHORITY.certificate };
  const { port, connections } = await provider(t, GOOD, wants);
  const { sockets, closed, flowTo } = gateway(t, { own: { certificate: former, certificateFiles: files } });
  const shown: (string | undefined)[] = [];
  for (const pair of [former, renewed]) {
    writeFileSync(files.certificates, pair.certificates);
    writeFileSync(files.key, pair.key, { mode: 0o600 });
    const [before, ended] = [connections.length, closed.length];
    sockets.send(flowTo(port), OPTIONS);
    await until(t, 'it is connected', () => connections.length > before);
    shown.push(connections.at(-1)?.getPeerX509Certificate()?.fingerprint256);
    connections.at(-1)?.destroy();
    await until(t, 'the end is told', () => closed.length > ended);
  }
  t.deepEqual(
    shown,
    [former, renewed].map(({ certificates }) => new X509Certificate(certificates).fingerprint256),
  );
});
