import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Kamailio } from '../../scripts/testbed/kamailio.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { Linphone } from '../../scripts/testbed/linphone.ts';
import type { Phone } from '../../scripts/testbed/phone.ts';
import { placeBeside, settle } from '../../scripts/testbed/phones/places.ts';
import { Pjsua } from '../../scripts/testbed/phones/pjsua.ts';
import { Rtpengine } from '../../scripts/testbed/rtpengine.ts';
import { PEER_ADDRESS } from '../../scripts/testbed/topology.ts';
import { methods } from '../../src/control/schemas.ts';
import { hearFromNowOn } from './support/hearing.ts';
import { systemTest } from './support/system-test.ts';
import { type Member, NUMBER, PASSWORD, PROVIDER, TrunkPlaces, WORLD } from './support/trunk-places.ts';

const OVERLAY = 'trunk.example';
/** That the gateway's owner gives to bob. */
const SECOND_NUMBER = '+4930111333';
const TALK_MS = 2_000;

interface Hosts {
  readonly places: TrunkPlaces;
  readonly gateway: Agent;
  readonly alice: Member;
  readonly bob: Member;
  readonly world: Phone;
}

interface Phones extends Pick<Hosts, 'gateway' | 'world'> {
  readonly alice: Phone;
  readonly bob: Phone;
}

/**
 * Alice and bob behind NATs, the gateway in the open, kamailio as its provider, and a phone of the world behind that.
 * @param isNarrow that phone speaks PCMU alone
 */
async function hostsOf(lab: Lab, isNarrow = false): Promise<Hosts> {
  const places = await TrunkPlaces.of(lab, OVERLAY, isNarrow ? 1 : 2);
  await Kamailio.provider(lab, places.provider.namespace, {
    ...{ name: 'provider', listen: `${PROVIDER}:5060`, domain: PROVIDER, user: 'line7', password: PASSWORD },
    ...{ numbers: [NUMBER, SECOND_NUMBER], world: `zoe@${WORLD}:5060` },
  });
  const gateway = await places.gateway(`domain = "${PROVIDER}"`);
  const alice = await places.member('alice', places.homes.a, gateway);
  const bob = await places.member('bob', places.homes.b, gateway);
  const written = join(lab.directory, 'rtpengine.conf');
  await eventually('the gateway tells rtpengine of both sides', 20_000, () => {
    const text = existsSync(written) ? readFileSync(written, 'utf8') : '';
    return Promise.resolve(text.includes(`outside/${PEER_ADDRESS}`) || undefined);
  });
  await Rtpengine.start(lab, places.homes.peer.namespace);
  const world = await places.worldPhone('phone-world', isNarrow ? { codecs: 'PCMU/8000/1' } : {});
  return { places, gateway, alice, bob, world };
}

async function phonesOf(lab: Lab): Promise<Phones> {
  const { places, gateway, world, ...members } = await hostsOf(lab);
  const [alice, bob] = await Promise.all([places.phone('alice', members.alice), places.phone('bob', members.bob)]);
  return { gateway, alice, bob, world };
}

systemTest(
  'phones call a number by the gateway and its provider, and are called by their own, which members call without it; all are heard',
  async (t, lab) => {
    const { gateway, alice, bob, world } = await phonesOf(lab);
    let from = 0;
    await eventually('the gateway serves', 30_000, async () => {
      from = performance.now();
      await alice.dial(`sip:030987654@${OVERLAY}`);
      return alice.next('CALL_ESTABLISHED', 3_000).then(
        () => true,
        () => undefined,
      );
    });
    t.log(`out: established after ${(performance.now() - from).toFixed(0)} ms`);
    await world.next('CALL_ESTABLISHED', 5_000);
    t.deepEqual((await gateway.status()).sip?.trunk, { domain: PROVIDER, state: 'registered', why: null });
    t.regex(world.trace, new RegExp(`From: <sip:\\${NUMBER}@${PROVIDER}>`));
    t.false(world.trace.includes('2001:2'), 'the world is told nothing of the overlay');
    await delay(TALK_MS);
    await alice.hangUp();
    await world.next('CALL_CLOSED', 5_000);
    const heard = [alice.loudnessHeard(), world.loudnessHeard()];
    t.true(
      heard.every((loudness) => loudness > 0.02),
      heard.join(' '),
    );

    from = performance.now();
    await world.dial(`sip:${NUMBER}@${PROVIDER}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    t.log(`in: established after ${(performance.now() - from).toFixed(0)} ms`);
    t.regex(alice.trace, new RegExp(`From: .*<sip:zoe@${PROVIDER}>`));
    await delay(TALK_MS);
    await world.hangUp();
    await alice.next('CALL_CLOSED', 5_000);
    const again = [alice.loudnessHeard(), world.loudnessHeard()];
    t.true(
      again.every((loudness) => loudness > 0.02),
      again.join(' '),
    );

    const assigned = await gateway.cli('numbers', 'assign', '030 111333', 'bob');
    t.is(assigned, `${SECOND_NUMBER}  bob\n`);
    await eventually('the overlay has the number', 10_000, async () => {
      const { numbers } = methods.numbers.result.parse(JSON.parse(await gateway.cli('numbers', '--json')));
      return numbers.find(({ number }) => number === SECOND_NUMBER)?.published === true || undefined;
    });
    from = performance.now();
    await alice.dial(`sip:030111333@${OVERLAY}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 5_000), bob.next('CALL_ESTABLISHED', 5_000)]);
    t.log(`to a member by his number: established after ${(performance.now() - from).toFixed(0)} ms`);
    t.regex(
      bob.trace,
      new RegExp(`P-Asserted-Identity: .*<sip:alice@${OVERLAY}>`),
      'as alice, not as somebody outside',
    );
    await hearFromNowOn('to a member by his number', [alice, bob]);
    await alice.hangUp();
    await bob.next('CALL_CLOSED', 5_000);

    await world.dial(`sip:${SECOND_NUMBER}@${PROVIDER}`);
    await Promise.all([bob.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    t.regex(bob.trace, new RegExp(`From: .*<sip:zoe@${PROVIDER}>`));
    await hearFromNowOn('from the world to the number that a member was given', [bob, world]);
    await world.hangUp();
    await bob.next('CALL_CLOSED', 5_000);

    await bob.dial(`sip:030987654@${OVERLAY}`);
    await Promise.all([bob.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    t.regex(world.trace, new RegExp(`From: <sip:\\${SECOND_NUMBER}@${PROVIDER}>`));
    await delay(TALK_MS);
    await bob.hangUp();
    await world.next('CALL_CLOSED', 5_000);
    await Promise.all([alice.stop(), bob.stop(), world.stop()]);
    const last = [bob.loudnessHeard(), world.loudnessHeard()];
    t.true(
      last.every((loudness) => loudness > 0.02),
      last.join(' '),
    );
  },
);

systemTest(
  "a gateway's agent that is killed in a call goes on with it when it is back: both hear speech that is said after that, and either end hangs up",
  async (t, lab) => {
    const { gateway, alice, world } = await phonesOf(lab);
    await eventually('the gateway serves', 30_000, async () => {
      await alice.dial(`sip:030987654@${OVERLAY}`);
      return alice.next('CALL_ESTABLISHED', 3_000).then(
        () => true,
        () => undefined,
      );
    });
    await world.next('CALL_ESTABLISHED', 5_000);
    await delay(TALK_MS);
    const again = await dieAndServe(gateway);
    await hearFromNowOn('out', [alice, world]);
    await alice.hangUp();
    await world.next('CALL_CLOSED', 20_000);

    await world.dial(`sip:${NUMBER}@${PROVIDER}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 10_000), world.next('CALL_ESTABLISHED', 10_000)]);
    await delay(TALK_MS);
    await dieAndServe(again);
    await hearFromNowOn('in', [alice, world]);
    await world.hangUp();
    await Promise.all([alice.next('CALL_CLOSED', 20_000), world.next('CALL_CLOSED', 20_000)]);
    t.is(world.count('CALL_CLOSED'), world.count('CALL_ESTABLISHED'));
    await Promise.all([alice.stop(), world.stop()]);
  },
);

systemTest(
  'alice, who talks with bob, calls a number and hands it to him by an attended transfer: those two hear each other, in one call at the provider',
  async (t, lab) => {
    const { places, alice, bob, world } = await hostsOf(lab, true);
    const { speech } = places;
    for (const { agent, host } of [alice, bob]) await settle(lab, host.namespace, agent);
    const at = { agent: alice.agent, namespace: alice.host.namespace, domain: OVERLAY, folder: 'phone-alice' };
    const calling = await Pjsua.start(await placeBeside(lab, at));
    const called = await Linphone.start({
      ...{ namespace: bob.host.namespace, directory: lab.folder('phone-bob'), addressOfRecord: `bob@${OVERLAY}` },
      ...{ transport: 'udp', speech },
    });
    await eventually('bob is called', 30_000, async () => {
      await calling.dial(`sip:bob@${OVERLAY}`);
      return calling.established(3_000).then(
        () => true,
        () => undefined,
      );
    });
    calling.command('hold');
    await calling.next(/^MEDIA 2/, 5_000);
    await eventually('the gateway serves', 30_000, async () => {
      await calling.dial(`sip:030987654@${OVERLAY}`);
      return calling.established(3_000).then(
        () => true,
        () => undefined,
      );
    });
    await world.next('CALL_ESTABLISHED', 5_000);
    await delay(TALK_MS / 2);
    calling.command('replace');
    await eventually('the call of alice with the number is over', 15_000, () =>
      (calling.output.match(/^DISCONNECTED/gm)?.length ?? 0) >= 1 ? true : undefined,
    );
    await delay(TALK_MS);
    await hearFromNowOn('after the transfer', [called, world]);
    t.is(world.count('CALL_ESTABLISHED'), 1, 'one call at the provider');
    t.is(world.count('CALL_CLOSED'), 0);
    t.regex(called.trace, /^Replaces: /m);
    called.hangUp();
    await world.next('CALL_CLOSED', 5_000);
    await Promise.all([calling.stop(), called.stop(), world.stop()]);
  },
);

systemTest(
  'alice hands her call with a number on to bob, whom she has not asked (REFER): those two hear each other, in one call at the provider',
  async (t, lab) => {
    const { alice, bob, world } = await phonesOf(lab);
    await eventually('the gateway serves', 30_000, async () => {
      await alice.dial(`sip:030987654@${OVERLAY}`);
      return alice.next('CALL_ESTABLISHED', 3_000).then(
        () => true,
        () => undefined,
      );
    });
    await world.next('CALL_ESTABLISHED', 5_000);
    await delay(TALK_MS / 2);
    await alice.transfer(`sip:bob@${OVERLAY}`);
    await Promise.all([alice.next('CALL_CLOSED', 10_000), bob.next('CALL_ESTABLISHED', 10_000)]);
    t.regex(bob.trace, new RegExp(`From: .*<sip:\\+4930987654@${PROVIDER}`));
    await delay(TALK_MS);
    t.is(world.count('CALL_ESTABLISHED'), 1, 'one call at the provider');
    t.is(world.count('CALL_CLOSED'), 0);
    await bob.hangUp();
    await world.next('CALL_CLOSED', 5_000);
    await Promise.all([alice.stop(), bob.stop(), world.stop()]);
    const heard = [bob.loudnessHeard(), world.loudnessHeard()];
    t.true(
      heard.every((loudness) => loudness > 0.02),
      heard.join(' '),
    );
  },
);

/** Kills it in a call that is written down by now, and waits until it is registered again. */
async function dieAndServe(gateway: Agent): Promise<Agent> {
  await gateway.crash();
  const again = await gateway.startAgain();
  await eventually('the gateway is registered again', 30_000, async () =>
    (await again.status()).sip?.trunk?.state === 'registered' ? true : undefined,
  );
  return again;
}
