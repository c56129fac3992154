import test from 'ava';
import { StreamCertificateKeeper } from '../../../src/agent/stream-certificate-keeper.ts';
import { streamDoctor } from '../../../src/agent/stream-report.ts';
import { IdlocError } from '../../../src/base/errors.ts';
import { silentLogger, type LogFields } from '../../../src/base/logger.ts';
import type { StreamCertificate } from '../../../src/config/stream-certificate.ts';
import { makeCertificateFor } from '../../native/support/named-certificate.ts';

const DAY_MS = 86_400_000;
const OLD = await makeCertificateFor('old.example.org');
const NEW = await makeCertificateFor('new.example.org');

/** What the files hold is up to the test: a pair, or what is wrong with it. */
function world(certificate: StreamCertificate = OLD) {
  let files: StreamCertificate | string = certificate;
  let now = 0;
  const lines: [string, LogFields | undefined][] = [];
  const shown: StreamCertificate[] = [];
  const say = (event: string, fields?: LogFields): void => void lines.push([event, fields]);
  const keeper = new StreamCertificateKeeper(
    {
      logger: { ...silentLogger, warn: say, info: say },
      clock: { monotonic: () => now, wall: () => now },
      read: (known) => {
        if (typeof files === 'string') throw new IdlocError('bad_config', files);
        return files === known ? undefined : files;
      },
    },
    certificate,
  );
  keeper.showAt((each) => shown.push(each));
  return {
    ...{ keeper, lines, shown },
    write: (content: StreamCertificate | string) => void (files = content),
    look: (times = 1) => {
      for (let i = 0; i < times; i++) keeper.handleTimeout((now = keeper.nextTimeout()));
    },
  };
}

test('a renewed pair is shown at the next look, once, with a line that says until when', (t) => {
  const { keeper, shown, lines, write, look } = world();
  look(3);
  t.deepEqual([shown, lines], [[], []]);
  write(NEW);
  look(3);
  t.deepEqual(shown, [NEW]);
  t.is(keeper.shown, NEW);
  t.is(lines.length, 1);
  t.regex(String(lines[0]?.[1]?.['until']), /^\d{4}-\d\d-\d\dT/);
});

test('files that are written one after the other are not said to be wrong in between', (t) => {
  const { shown, lines, write, look } = world();
  write('not of each other');
  look();
  write(NEW);
  look();
  t.deepEqual(shown, [NEW]);
  t.is(lines.filter(([event]) => event === 'stream certificate not renewed').length, 0);
});

test('a pair that is none stays unshown and is said once, whatever else comes; the old one is shown until a right one is there', (t) => {
  const { keeper, shown, lines, write, look } = world();
  write('not of each other');
  look(1_000);
  t.deepEqual(lines, [['stream certificate not renewed', { err: 'not of each other' }]]);
  t.is(keeper.problem, 'not of each other');
  write('no key');
  look(1_000);
  t.is(lines.length, 2);
  t.deepEqual([keeper.shown, shown], [OLD, []]);
  write(NEW);
  look();
  t.deepEqual([keeper.shown, shown, keeper.problem], [NEW, [NEW], undefined]);
});

test('a pair that TLS refuses is as one that is none', (t) => {
  const { keeper, lines, write, look } = world();
  keeper.showAt(() => {
    throw new IdlocError('bad_stream', 'key too small');
  });
  write(NEW);
  look(5);
  t.is(keeper.shown, OLD);
  t.deepEqual(lines, [['stream certificate not renewed', { err: 'key too small' }]]);
});

test('doctor says that the certificate ends soon, that it has ended, and why a new one is not taken; else nothing', async (t) => {
  const now = Date.UTC(2030, 0, 1);
  const found = async (beganDays: number, leftDays: number, problem?: string): Promise<string[]> => {
    const at = (days: number): Date => new Date(now + days * DAY_MS);
    const shown = await makeCertificateFor('a.example.org', { notBefore: at(-beganDays), notAfter: at(leftDays) });
    const { topic, findings } = streamDoctor({ shown, problem }, now);
    t.is(topic, 'stream');
    return findings.map(({ level, id }) => `${level} ${id}`);
  };
  t.deepEqual(await found(60, 30), []);
  t.deepEqual(await found(77, 13), ['warning certificate-ends']);
  t.deepEqual(await found(300, 65), []);
  t.deepEqual(await found(352, 13), ['warning certificate-ends']);
  // One for six days is renewed after four.
  t.deepEqual(await found(4, 2), []);
  t.deepEqual(await found(5.5, 0.5), ['warning certificate-ends']);
  t.deepEqual(await found(91, -1), ['error certificate-ended']);
  t.deepEqual(await found(1, 89, 'no key'), ['warning certificate-not-taken']);
  t.deepEqual(await found(91, -1, 'no key'), ['error certificate-ended', 'warning certificate-not-taken']);
  t.deepEqual(streamDoctor(undefined, now), { topic: 'stream', findings: [] });
});
