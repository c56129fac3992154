import { join } from 'node:path';
import { Agent } from '../../scripts/testbed/agent.ts';
import { makeCall } from '../../scripts/testbed/call.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { homesOnly } from '../../scripts/testbed/homes-only.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'two-homes.example';
const CALL_MS = 5_000;
/** The inviter looks every five seconds, the newcomer too; then a handshake and the name. */
const JOIN_TIMEOUT_MS = 60_000;

systemTest(
  'two homes behind NATs, no peer with a public address: they meet in Mainline, join by ticket, and call by name',
  async (t, lab) => {
    const { a, b, natA, natB, configuration } = await homesOnly(lab);
    const settings = ['--config', configuration];
    const alice = await Agent.start(lab, {
      namespace: a.namespace,
      name: 'alice',
      overlay: { create: OVERLAY },
      arguments: settings,
    });
    await eventually('alice knows nodes of Mainline', 30_000, async () =>
      ((await alice.status()).rendezvous?.nodes ?? 0) > 3 ? true : undefined,
    );
    t.is((await alice.status()).rendezvous?.mode, 'mainline');
    const begun = performance.now();
    const bob = Agent.launch(lab, {
      namespace: b.namespace,
      name: 'bob',
      overlay: { join: await alice.invite() },
      arguments: settings,
    });
    const { name, role } = await bob.ready(JOIN_TIMEOUT_MS);
    t.log(`bob is a member ${((performance.now() - begun) / 1000).toFixed(1)} s after his start`);
    t.is(role, 'client');
    const { path, direct } = await alice.ping(name ?? '', 3);
    t.true(direct);
    t.is(path?.remote, `${natB.address}:6084`);

    const speech = join(lab.directory, 'speech.wav');
    writeWav(speech, speechLike(20, 6940));
    const call = await makeCall({
      ...{ lab, label: 'homes', family: 6 as const, speech, durationMs: CALL_MS },
      caller: { agent: bob, host: b, router: natB },
      callee: { agent: alice, host: a, router: natA },
    });
    for (const direction of [call.forth, call.back]) {
      t.true(direction.sent > 200, `${direction.sent} packets sent`);
      t.true(direction.received >= direction.sent * 0.99, `${direction.received} of ${direction.sent} received`);
    }

    // The only peer of the overlay, and the other home, are switched off and on: they find each other again.
    await Promise.all([alice.crash(), bob.crash()]);
    const [first, second] = await Promise.all([alice.startAgain(), bob.startAgain()]);
    await eventually('they are linked again', JOIN_TIMEOUT_MS, async () =>
      (await first.status()).links.some(({ state }) => state === 'connected') ? true : undefined,
    );
    t.is((await first.status()).links.length, 1);
    await second.stop();
    await first.stop();
  },
);
