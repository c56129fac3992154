import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, IDLOC } from '../../scripts/testbed/agent.ts';
import { command, eventually } from '../../scripts/testbed/command.ts';
import { Internet } from '../../scripts/testbed/topology.ts';
import { methods } from '../../src/control/schemas.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'home.example';
const ACCOUNTS = '<sip:alice@home.example>;regint=60;auth_pass=geheim\n';
/** A host of hers that she gets later is met, found by name, and what she has is sealed for it, too. */
const MET_MS = 120_000;

systemTest(
  'alice keeps a file of her phone at one host; another host of hers that joins later has it, bob does not, and no terminal obeys it',
  async (t, lab) => {
    const internet = await Internet.create(lab);
    const place = async (name: string, last: number): ReturnType<Internet['publicHost']> =>
      internet.publicHost(name, `203.0.113.${last}`);
    const [peer, phone, laptop] = [await place('peer', 101), await place('phone', 102), await place('laptop', 103)];
    const founder = await Agent.start(lab, {
      ...{ namespace: peer.namespace, name: 'bob', overlay: { create: OVERLAY } },
    });
    const ticket = (await founder.cli('invite', '--user', 'alice', '--uses', '2')).trim();
    const first = await Agent.start(lab, { namespace: phone.namespace, name: 'phone', overlay: { join: ticket } });
    const file = join(lab.directory, 'accounts');
    writeFileSync(file, ACCOUNTS);
    const binary = join(lab.directory, 'binary');
    writeFileSync(binary, Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff]));
    t.is(await first.cli('phones', 'save', 'baresip/accounts', file), `baresip/accounts  ${ACCOUNTS.length} bytes\n`);
    await first.cli('phones', 'save', 'binary', binary);
    const second = await Agent.start(lab, { namespace: laptop.namespace, name: 'laptop', overlay: { join: ticket } });
    const copy = join(lab.directory, 'copy');
    await eventually('the laptop has the file', MET_MS, async () => {
      const { status } = await second.tryCli('phones', 'show', 'baresip/accounts', '--output', copy, '--force');
      return status === 0 ? true : undefined;
    });
    t.deepEqual([readFileSync(copy, 'utf8'), statSync(copy).mode & 0o777], [ACCOUNTS, 0o600]);
    chownSync(copy, 1_000, 1_000);
    await second.cli('phones', 'show', 'baresip/accounts', '--output', copy, '--force');
    t.like(statSync(copy), { uid: 1_000, gid: 1_000 }, 'it stays the file of whose it was, though root has written it');
    const listed = methods.phoneFiles.result.parse(JSON.parse(await second.cli('phones', 'list', '--json')));
    t.deepEqual(
      listed.files.map(({ name, bytes }) => [name, bytes]),
      [
        ['baresip/accounts', ACCOUNTS.length],
        ['binary', 5],
      ],
    );
    t.is(await founder.cli('phones', 'list'), '');
    t.is((await founder.tryCli('phones', 'show', 'baresip/accounts')).status, 1);

    const onTerminal = (name: string): Promise<string> =>
      command('script', ['-qc', `${IDLOC} phones show ${name} --socket ${second.socket}`, '/dev/null']);
    const shown = await onTerminal('binary');
    t.regex(shown, /binary is no text, and is not shown: give --output FILE/);
    t.false(shown.includes('\u001b'));
    t.regex(await onTerminal('baresip/accounts'), /auth_pass=geheim/);

    await second.cli('phones', 'remove', 'baresip/accounts', 'binary');
    await eventually('they are gone from the first host', MET_MS, async () =>
      (await first.cli('phones', 'list')) === '' ? true : undefined,
    );
    for (const agent of [founder, first, second]) {
      t.false(agent.process.stderr.includes('geheim'));
      await agent.stop();
    }
  },
);
