import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { makeCredentials } from '../native/support/credentials.ts';
import { Host } from '../native/support/host.ts';
import { Relay } from '../native/support/relay.ts';
import { within } from './support/within.ts';

/** The command `openssl` as the other end of a DTLS association, without ICE: what it reads on stdin becomes a record. */

const installed = spawnSync('openssl', ['version']).status === 0;
if (!installed) console.log('skipped: openssl is missing');
const run = installed ? test : test.skip;

const SUITE = 'ECDHE-ECDSA-AES128-GCM-SHA256';
const OUR_RECORD = Buffer.from([0x80, ...Buffer.from('from idloc')]);
const THEIR_RECORD = Buffer.from([0x81, ...Buffer.from('from openssl')]);

class OpenSsl {
  readonly exited: Promise<number | null>;
  private readonly child: ChildProcessWithoutNullStreams;
  private output = Buffer.alloc(0);
  private readonly watchers = new Set<() => void>();

  constructor(args: readonly string[]) {
    this.child = spawn('openssl', args);
    const take = (data: Buffer): void => {
      this.output = Buffer.concat([this.output, data]);
      for (const watcher of [...this.watchers]) watcher();
    };
    this.child.stdout.on('data', take);
    this.child.stderr.on('data', take);
    this.exited = new Promise((resolve) => this.child.once('exit', resolve));
  }

  /** What it wrote up to now, one character a byte. */
  get text(): string {
    return this.output.toString('latin1');
  }

  async says(wanted: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve } = Promise.withResolvers<RegExpExecArray>();
    const watcher = (): void => {
      const found = wanted.exec(this.text);
      if (found !== null) resolve(found);
    };
    this.watchers.add(watcher);
    watcher();
    try {
      return await within(promise, `${String(wanted)} from openssl`);
    } finally {
      this.watchers.delete(watcher);
    }
  }

  write(record: Uint8Array): void {
    this.child.stdin.write(record);
  }

  endInput(): void {
    this.child.stdin.end();
  }

  kill(): void {
    this.child.kill();
  }
}

/** Options that name a new certificate and its key, and the certificate. */
async function identity(t: ExecutionContext): Promise<{ options: string[]; certificate: Uint8Array }> {
  const { certificate, privateKey } = await makeCredentials('openssl');
  const folder = mkdtempSync(join(tmpdir(), 'idloc-openssl-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [certificateFile, keyFile] = [join(folder, 'certificate.der'), join(folder, 'key.der')];
  writeFileSync(certificateFile, certificate);
  writeFileSync(keyFile, privateKey);
  const options = ['-cert', certificateFile, '-certform', 'DER', '-key', keyFile, '-keyform', 'DER'];
  return { options, certificate };
}

function start(t: ExecutionContext, args: readonly string[]): OpenSsl {
  const program = new OpenSsl(args);
  t.teardown(() => program.kill());
  return program;
}

async function startHost(t: ExecutionContext): Promise<Host> {
  const host = await Host.start();
  t.teardown(() => host.plane.close());
  return host;
}

const client = (host: Host): string[] => [
  ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${host.plane.port}`, '-nocommands', '-cipher', SUITE],
  ...['-keymatexport', 'EXPORTER-idloc-link', '-keymatexportlen', '32'],
];

/** As s_client and s_server print it. */
const exporterOf = (text: string): string => /Keying material: ([0-9A-F]{64})/.exec(text)?.[1]?.toLowerCase() ?? '';

run(
  's_client whom nobody expects proves its address by a cookie, and records and close_notify go both ways',
  async (t) => {
    const host = await startHost(t);
    const { options, certificate } = await identity(t);
    const program = start(t, [...client(host), ...options]);
    const { link } = await within(host.next('incoming'), 'cookie');
    t.true(host.counter('cookiesSent') >= 1);
    const connected = await within(host.next('connected'), 'handshake');
    t.is(connected.link, link);
    t.deepEqual(connected.certificates, [certificate]);
    await program.says(new RegExp(`Cipher is ${SUITE}`));
    await program.says(/Keying material: [0-9A-F]{64}/);
    t.is(exporterOf(program.text), Buffer.from(connected.exporter).toString('hex'));

    host.plane.sendRecord(link, OUR_RECORD);
    await program.says(/\x80from idloc/);
    program.write(THEIR_RECORD);
    t.deepEqual(Buffer.from((await within(host.next('record'), 'record')).data), THEIR_RECORD);

    program.endInput();
    t.deepEqual(await within(host.next('closed'), 'close_notify'), {
      type: 'closed',
      link,
      reason: 'closed by the peer',
    });
    t.is(await within(program.exited, 'exit of openssl'), 0);
  },
);

run('s_client on a path so narrow that its ClientHello comes in pieces is linked all the same', async (t) => {
  const host = await startHost(t);
  const { options, certificate } = await identity(t);
  const [handshake, clientHello] = [22, 1];
  const pieces: number[] = [];
  const relay = await Relay.open(0, host.plane.port);
  t.teardown(() => relay.close());
  relay.treatment = (data, direction) => {
    if (direction === 'forward' && data[0] === handshake && data[13] === clientHello)
      pieces.push(Buffer.from(data).readUIntBE(19, 3));
    return [data];
  };
  const program = start(t, [
    ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${relay.clientSide.port}`, '-nocommands', '-mtu', '256'],
    ...options,
  ]);
  const connected = await within(host.next('connected'), 'handshake');
  t.true(
    pieces.some((offset) => offset > 0),
    'the ClientHello was cut',
  );
  t.deepEqual(connected.certificates, [certificate]);
  await program.says(/Cipher is ECDHE-ECDSA-AES/);
  host.plane.sendRecord(connected.link, OUR_RECORD);
  await program.says(/\x80from idloc/);
  program.write(THEIR_RECORD);
  t.deepEqual(Buffer.from((await within(host.next('record'), 'record')).data), THEIR_RECORD);
});

run('s_client without a certificate is refused', async (t) => {
  const host = await startHost(t);
  const program = start(t, client(host));
  const { link } = await within(host.next('incoming'), 'cookie');
  const closed = await within(host.next('closed'), 'refusal');
  t.is(closed.link, link);
  t.regex(closed.reason, /did not return a certificate/);
  await program.says(/alert handshake failure/);
  t.not(await within(program.exited, 'exit of openssl'), 0);
  t.is(host.counter('handshakesCompleted'), 0);
});

for (const cookie of [true, false]) {
  run(
    `we as client and s_server ${cookie ? 'with' : 'without'} a cookie exchange records until we close`,
    async (t) => {
      const host = await startHost(t);
      const { options, certificate } = await identity(t);
      const program = start(t, [
        ...['s_server', '-dtls1_2', '-accept', '127.0.0.1:0', '-naccept', '1', '-Verify', '1', '-cipher', SUITE],
        ...['-keymatexport', 'EXPORTER-idloc-link', '-keymatexportlen', '32'],
        ...(cookie ? ['-listen'] : []),
        ...options,
      ]);
      const [, port] = await program.says(/ACCEPT 127\.0\.0\.1:(\d+)/);
      const link = host.plane.openLink('client');
      host.plane.setPath(link, null, { address: '127.0.0.1', port: Number(port) });
      const connected = await within(host.next('connected'), 'handshake');
      t.deepEqual(connected.certificates, [certificate]);
      await program.says(new RegExp(`CIPHER is ${SUITE}`));
      await program.says(/Keying material: [0-9A-F]{64}/);
      t.is(exporterOf(program.text), Buffer.from(connected.exporter).toString('hex'));

      host.plane.sendRecord(link, OUR_RECORD);
      await program.says(/\x80from idloc/);
      program.write(THEIR_RECORD);
      t.deepEqual(Buffer.from((await within(host.next('record'), 'record')).data), THEIR_RECORD);

      host.plane.closeLink(link);
      t.is(await within(program.exited, 'exit of openssl'), 0);
    },
  );
}
