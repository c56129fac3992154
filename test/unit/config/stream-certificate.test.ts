import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ConfigError } from '../../../src/config/errors.ts';
import { renewedStreamCertificate, type StreamCertificate } from '../../../src/config/stream-certificate.ts';
import { makeCertificateFor } from '../../native/support/named-certificate.ts';

const HOUR_MS = 3_600_000;
const OLD = await makeCertificateFor('turn.example.org');
const NEW = await makeCertificateFor('turn.example.org');

function folder(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-renewed-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return directory;
}

function write(directory: string, { certificates, key }: StreamCertificate): void {
  writeFileSync(join(directory, 'cert.pem'), certificates);
  writeFileSync(join(directory, 'key.pem'), key, { mode: 0o600 });
}

const filesIn = (directory: string) => ({
  certificates: join(directory, 'cert.pem'),
  key: join(directory, 'key.pem'),
});

test('a renewed pair is found when the files are written, when links lead elsewhere, and when a directory is another', (t) => {
  const directory = folder(t);
  const place = (name: string): string => {
    mkdirSync(join(directory, name));
    return join(directory, name);
  };
  const look = (files: ReturnType<typeof filesIn>): StreamCertificate | undefined =>
    renewedStreamCertificate(OLD, files, Date.now());
  const written = place('written');
  write(written, OLD);
  t.is(look(filesIn(written)), undefined);
  write(written, NEW);
  t.deepEqual(look(filesIn(written)), NEW);

  // As certbot: live/cert.pem -> ../archive/cert2.pem.
  const [archive, live] = [place('archive'), place('live')];
  for (const [number, pair] of [OLD, NEW].entries()) {
    writeFileSync(join(archive, `cert${number}.pem`), pair.certificates);
    writeFileSync(join(archive, `key${number}.pem`), pair.key, { mode: 0o600 });
  }
  const link = (number: number): void => {
    for (const name of ['cert', 'key']) {
      symlinkSync(`../archive/${name}${number}.pem`, join(live, 'next'));
      renameSync(join(live, 'next'), join(live, `${name}.pem`));
    }
  };
  link(0);
  t.is(look(filesIn(live)), undefined);
  link(1);
  t.deepEqual(look(filesIn(live)), NEW);

  const [first, second] = [place('first'), place('second')];
  write(first, OLD);
  write(second, NEW);
  const current = join(directory, 'current');
  symlinkSync('first', current);
  t.is(look(filesIn(current)), undefined);
  symlinkSync('second', `${current}.next`);
  renameSync(`${current}.next`, current);
  t.deepEqual(look(filesIn(current)), NEW);
});

test('files that are gone, too large, open to all, half written, of different pairs or out of time are refused, and a pipe is let be', async (t) => {
  const directory = folder(t);
  const files = filesIn(directory);
  const refused = (why: RegExp): void =>
    void t.throws(() => renewedStreamCertificate(OLD, files, Date.now()), { instanceOf: ConfigError, message: why });
  refused(/key\.pem: cannot be read: ENOENT/);
  write(directory, NEW);
  writeFileSync(files.certificates, OLD.certificates);
  refused(/is not the key of the first certificate in/);
  writeFileSync(files.certificates, NEW.certificates.slice(0, 300));
  refused(/must hold certificates, in PEM/);
  writeFileSync(files.certificates, NEW.certificates);
  truncateSync(files.certificates, 2 ** 33);
  refused(/larger than a certificate and a key are/);
  write(directory, NEW);
  chmodSync(files.key, 0o604);
  refused(/every user can read it/);
  chmodSync(files.key, 0o600);
  const inForce = (from: number, until: number): Promise<StreamCertificate> =>
    makeCertificateFor('turn.example.org', {
      notBefore: new Date(Date.now() + from * HOUR_MS),
      notAfter: new Date(Date.now() + until * HOUR_MS),
    });
  write(directory, await inForce(-2, -1));
  refused(/cert\.pem: ended \d{4}-/);
  write(directory, await inForce(1, 2));
  refused(/is not in force until \d{4}-/);
  rmSync(files.key);
  execFileSync('mkfifo', [files.key]);
  t.is(renewedStreamCertificate(OLD, files, Date.now()), undefined);
});
