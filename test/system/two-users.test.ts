import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { Agent } from '../../scripts/testbed/agent.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { Phone } from '../../scripts/testbed/phone.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { Internet } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'home.example';
const TABLE = 101;
/** What docs/phones.md says of the second user of a host. */
const SECOND = `listen = 6085\ntun = { name = "idloc1", table = ${TABLE} }\ndns.listen = "127.0.60.85:5300"\nsip.port = 5063\n`;
const STUBS = { idloc0: '127.0.60.84:53', idloc1: '127.0.60.85:5300' } as const;
/** Registrations are records that others look up. */
const PUBLISHED_MS = 6_000;
const ANSWERED_MS = 10_000;
const SPOKEN_MS = 2_500;

interface Member {
  readonly agent: Agent;
  readonly namespace: Namespace;
  readonly interfaceName: keyof typeof STUBS;
  readonly index: number;
}

async function phoneOf(lab: Lab, { agent, namespace, interfaceName, index }: Member, family: 4 | 6): Promise<Phone> {
  const speech = join(lab.directory, 'speech.wav');
  writeWav(speech, speechLike(40, 6940));
  const phone = await Phone.start({
    ...{ namespace, interfaceName, index, family, speech, registers: 'any', nameserver: STUBS[interfaceName] },
    directory: lab.folder(`phone-${agent.name}-${family}`),
    addressOfRecord: `${agent.name}@${OVERLAY}`,
  });
  await phone.registered(ANSWERED_MS);
  return phone;
}

systemTest(
  'alice and bob have an agent each on one machine: each rings alone, calls as himself, and both hear and are heard, from the machine and to it',
  async (t, lab) => {
    const internet = await Internet.create(lab);
    const far = (await internet.publicHost('far', '203.0.113.101')).namespace;
    const box = (await internet.publicHost('box', '203.0.113.102')).namespace;
    const founder = await Agent.start(lab, { namespace: far, name: 'carol', overlay: { create: OVERLAY } });
    const carol: Member = { agent: founder, namespace: far, interfaceName: 'idloc0', index: 0 };
    const join = { join: await founder.invite() };
    const first = await Agent.start(lab, { namespace: box, name: 'alice', overlay: join });
    let alice: Member = { agent: first, namespace: box, interfaceName: 'idloc0', index: 0 };
    const second = await Agent.start(lab, {
      ...{ namespace: box, name: 'bob', overlay: { join: await founder.invite() } },
      configuration: SECOND,
      arguments: ['--tun', 'idloc1'],
    });
    const bob: Member = { agent: second, namespace: box, interfaceName: 'idloc1', index: 1 };
    const main = `${await box.run('ip', ['route'])}${await box.run('ip', ['-6', 'route'])}`;
    t.regex(main, /2001:20::\/28 dev idloc0/);
    t.notRegex(
      main,
      /(2001:20::\/28|198\.18\.0\.0\/15) dev idloc1/,
      'programs that choose no address go by the first agent',
    );
    t.notRegex(`${first.process.stderr}${second.process.stderr}`, /address clash/);

    for (const family of [6, 4] as const) {
      const phones = {
        alice: await phoneOf(lab, alice, family),
        bob: await phoneOf(lab, bob, family),
        carol: await phoneOf(lab, carol, family),
      };
      await delay(PUBLISHED_MS);
      for (const [caller, called, other] of [
        ['carol', 'bob', 'alice'],
        ['bob', 'carol', 'alice'],
        ['carol', 'alice', 'bob'],
        ['alice', 'bob', 'carol'],
        ['bob', 'alice', 'carol'],
      ] as const) {
        const what = `${caller} calls ${called} over IPv${family}`;
        const [from, to, third] = [phones[caller], phones[called], phones[other]];
        const [before, rung] = [to.trace.length, third.count('CALL_INCOMING')];
        await from.dial(`sip:${called}@${OVERLAY}`);
        await Promise.all([from, to].map(async (phone) => phone.next('CALL_ESTABLISHED', ANSWERED_MS)));
        await delay(SPOKEN_MS);
        const asserted = /P-Asserted-Identity: (.*)/.exec(to.trace.slice(before))?.[1];
        t.is(asserted?.trim(), `<sip:${caller}@${OVERLAY}>`, what);
        await from.hangUp();
        await to.next('CALL_CLOSED', ANSWERED_MS);
        t.is(third.count('CALL_INCOMING'), rung, `${what}: nobody else rings`);
        for (const phone of [from, to]) t.true(phone.loudnessHeard() > 0.02, `${what}: ${phone.loudnessHeard()}`);
      }
      await Promise.all(Object.values(phones).map(async (phone) => phone.stop()));
      // The first agent is the later one of the two then.
      await alice.agent.stop();
      const again = await Agent.start(lab, { namespace: box, name: 'alice', overlay: 'as before' });
      alice = { ...alice, agent: again };
    }

    await second.stop();
    const rules = `${await box.run('ip', ['rule'])}${await box.run('ip', ['-6', 'rule'])}`;
    t.notRegex(rules, new RegExp(`lookup ${TABLE}`), 'nothing is left of it');
    await Promise.all([alice.agent.stop(), founder.stop()]);
  },
);
