import { join } from 'node:path';
import { z } from 'zod';
import { request } from '../../src/control/client.ts';
import { Agent } from '../../scripts/testbed/agent.ts';
import { pingTimes } from '../../scripts/testbed/load.ts';
import { sanitizedAgents, sanitizerUnavailable } from '../../scripts/testbed/sanitizers.ts';
import { OVERLAY } from '../../scripts/testbed/three-hosts.ts';
import { PEER_ADDRESS, twoHomes } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const DATAGRAMS = 100_000;
const SEED = 6940;
const FLOOD = join(import.meta.dirname, '../../scripts/testbed/datagram-flood.ts');

const tallySchema = z.record(
  z.string(),
  z.object({ sent: z.number(), sentBytes: z.number(), answers: z.number(), answerBytes: z.number() }),
);

systemTest(
  `${DATAGRAMS} random and mutated datagrams neither stop an agent nor get more from it than they bring`,
  async (t, lab) => {
    const why = sanitizerUnavailable('asan');
    const build = sanitizedAgents() ?? (why === undefined ? 'asan' : undefined);
    t.log(build === undefined ? `without sanitizers: ${why ?? ''}` : `native code of native/${build}`);
    const { peer: target, a, b } = await twoHomes(lab);
    const peer = await Agent.start(lab, {
      namespace: target.namespace,
      name: 'peer',
      overlay: { create: OVERLAY },
      ...(build === undefined ? {} : { build }),
    });
    const alice = await Agent.start(lab, {
      namespace: a.namespace,
      name: 'alice',
      overlay: { join: await peer.invite() },
    });
    const status = await peer.status();
    t.is((await pingTimes(a.namespace, status.hit, 3, 200)).length, 3);
    const countersBefore = await request(peer.socket, 'counters', {});

    t.log(`seed ${SEED}`);
    const port = status.listen[0]?.split(':').at(-1) ?? '';
    const text = await b.namespace.run(process.execPath, [FLOOD, PEER_ADDRESS, port, String(DATAGRAMS), String(SEED)], {
      timeoutMs: 240_000,
    });
    const tally = tallySchema.parse(JSON.parse(text));
    t.log(JSON.stringify(tally));
    t.is(
      Object.values(tally).reduce((sum, { sent }) => sum + sent, 0),
      DATAGRAMS,
    );
    for (const [kind, { sentBytes, answerBytes }] of Object.entries(tally)) t.true(answerBytes <= sentBytes, kind);

    t.true(peer.process.alive, peer.lastWords());
    t.true(
      (await pingTimes(a.namespace, status.hit, 5, 200)).length > 0,
      'the link of another host still carries packets',
    );
    const countersAfter = await request(peer.socket, 'counters', {});
    const risen = Object.entries(countersAfter).filter(([name, value]) => value > (countersBefore[name] ?? 0));
    t.log(risen.map(([name, value]) => `${name} ${value - (countersBefore[name] ?? 0)}`).join(', '));
    t.is(await peer.stop(), 0, peer.lastWords());
    await alice.stop();
  },
);
