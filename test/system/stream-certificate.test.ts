import { X509Certificate } from 'node:crypto';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import { request } from '../../src/control/client.ts';
import { methods } from '../../src/control/schemas.ts';
import { makeCertificateFor } from '../native/support/named-certificate.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'renewed.example';
const ADDRESS = '203.0.113.10';
const PASSWORD = 'only in the laboratory';
const DAY_MS = 86_400_000;
/** Twice as long as between two looks at the files, and the time of a busy machine. */
const TAKEN_MS = 30_000;

systemTest(
  "a renewed certificate is shown to members and TURN clients without a restart, beside links and an allocation's stream that live on; a pair that is none is said once",
  async (t, lab) => {
    const { peer, a, natA } = await twoHomes(lab);
    await natA.namespace.nft('insert rule ip filter forward meta l4proto udp udp dport != 53 drop');
    // As certbot has them: live/cert.pem -> ../archive/cert1.pem.
    const [archive, live] = ['archive', 'live'].map((name) => join(lab.directory, name)) as [string, string];
    for (const folder of [archive, live]) mkdirSync(folder);
    const pair = async (leftDays: number): Promise<{ certificates: string; key: string }> =>
      makeCertificateFor('carol.example.org', {
        notBefore: new Date(Date.now() - 80 * DAY_MS),
        notAfter: new Date(Date.now() + leftDays * DAY_MS),
      });
    let number = 0;
    const put = ({ certificates, key }: { certificates: string; key: string }): string => {
      number++;
      writeFileSync(join(archive, `cert${number}.pem`), certificates);
      writeFileSync(join(archive, `key${number}.pem`), key, { mode: 0o600 });
      for (const name of ['cert', 'key']) {
        symlinkSync(`../archive/${name}${number}.pem`, join(live, 'next'));
        renameSync(join(live, 'next'), join(live, `${name}.pem`));
      }
      return new X509Certificate(certificates).fingerprint256;
    };
    const first = put(await pair(5));
    const carol = await Agent.start(lab, {
      namespace: peer.namespace,
      name: 'carol',
      overlay: { create: OVERLAY },
      tun: false,
      configuration: `[stream]\nlisten = ["0.0.0.0:443"]\ncertificate_file = "${live}/cert.pem"\nkey_file = "${live}/key.pem"\n[turn_server]\nenable = true\nusers = { alice = "${PASSWORD}" }\n`,
    });
    const shown = async (alpn: string): Promise<string> => {
      const client = ['s_client', '-connect', `${ADDRESS}:443`, '-alpn', alpn];
      const { stdout } = await a.namespace.tryRun('openssl', client, { input: '' });
      t.regex(stdout, new RegExp(`ALPN protocol: ${alpn}`));
      return new X509Certificate(stdout).fingerprint256;
    };
    const doctor = async (): Promise<string[]> =>
      methods.doctor.result
        .parse(JSON.parse(await carol.cli('doctor', 'stream', '--json')))
        .findings.map(({ id }) => id);
    const ended = async (agent: Agent): Promise<number> => {
      const counters = methods.counters.result.parse(await request(agent.socket, 'counters', {}));
      return counters['streamsEnded'] ?? Number.NaN;
    };
    for (const alpn of ['http/1.1', 'stun.turn']) t.is(await shown(alpn), first);
    t.deepEqual(await doctor(), ['certificate-ends']);
    t.regex(await carol.cli('doctor', 'stream'), /the certificate of streams ends 20/);

    const alice = await Agent.start(lab, {
      namespace: a.namespace,
      name: 'alice',
      overlay: { join: await carol.invite() },
    });
    const { hit: carols } = await carol.status();
    t.is((await alice.link(carols))?.path?.over, 'tls');
    // A TURN client by TLS, whose allocation is its stream's.
    const turn = ['-S', '-t', '-y', '-s', '-c', '-n', '100', '-m', '1', '-u', 'alice', '-w', PASSWORD, '-p', '443'];
    const client = a.namespace.start('turnutils_uclient', [...turn, '-z', '200', ADDRESS]);
    const before = await ended(alice);
    t.true(Number.isInteger(before));

    const second = put(await pair(60));
    const since = performance.now();
    for (const alpn of ['http/1.1', 'stun.turn'])
      await eventually(`${alpn}: the new certificate`, TAKEN_MS, async () =>
        (await shown(alpn)) === second ? true : undefined,
      );
    t.log(`taken after ${(performance.now() - since).toFixed(0)} ms`);
    t.deepEqual(await doctor(), []);
    t.regex(carol.process.stderr, /stream certificate renewed/);

    const [one, two] = [await pair(60), await pair(60)];
    put({ certificates: one.certificates, key: two.key });
    await eventually('doctor says why', TAKEN_MS, async () =>
      (await doctor()).includes('certificate-not-taken') ? true : undefined,
    );
    // Some more looks.
    await delay(12_000);
    t.is(await shown('stun.turn'), second);
    t.is(carol.process.stderr.split('stream certificate not renewed').length, 2, 'said once');
    t.regex(carol.process.stderr, /is not the key of the first certificate in/);
    t.false(carol.process.stderr.includes('PRIVATE KEY'));

    const third = put(two);
    await eventually('the right pair', TAKEN_MS, async () => ((await shown('stun.turn')) === third ? true : undefined));
    t.deepEqual(await doctor(), []);

    // What was there all the while.
    t.is(await client.exited, 0);
    t.regex(client.stdout, /Total lost packets 0 \(0\.0+%\)/);
    t.is(await ended(alice), before);
    const link = await alice.link(carols);
    t.is(link?.handshakes, 1);
    t.is(link?.path?.over, 'tls');
    t.true((await alice.ping(`carol.${OVERLAY}`, 3)).rttMs.every((rtt) => rtt !== null));
    for (const agent of [alice, carol]) await agent.stop();
  },
);
