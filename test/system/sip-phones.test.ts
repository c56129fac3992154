import type { ExecutionContext } from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { Linphone } from '../../scripts/testbed/linphone.ts';
import type { PhonePlace } from '../../scripts/testbed/phones/lab-phone.ts';
import { placeBeside, settle } from '../../scripts/testbed/phones/places.ts';
import { Pjsua, type PjsuaOptions } from '../../scripts/testbed/phones/pjsua.ts';
import { OVERLAY, type ThreeHosts, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { hearFromNowOn, rtpComes } from './support/hearing.ts';
import { systemTest } from './support/system-test.ts';

type User = 'alice' | 'bob' | 'peer';

const ANSWER_MS = 8_000;
const MESSAGE_MS = 5_000;
/** From a registration to its record in the overlay, which callers read; they remember for a while that there was none. */
const PUBLISHED_MS = 2_500;
const TALK_MS = 600;

/** Three hosts of three users, where phones of PJSIP are. */
class Phones {
  private readonly lab: Lab;
  private readonly hosts: ThreeHosts;
  private started = 0;

  private constructor(lab: Lab, hosts: ThreeHosts) {
    this.lab = lab;
    this.hosts = hosts;
  }

  static async create(lab: Lab): Promise<Phones> {
    const hosts = await threeHosts(lab);
    const phones = new Phones(lab, hosts);
    for (const user of ['alice', 'bob', 'peer'] as const) await settle(lab, phones.namespaceOf(user), hosts[user]);
    return phones;
  }

  async at(user: User, options: PjsuaOptions = {}): Promise<Pjsua> {
    return Pjsua.start(await this.place(user), options);
  }

  async linphoneAt(user: User): Promise<Linphone> {
    const phone = await Linphone.start({
      namespace: this.namespaceOf(user),
      directory: this.lab.folder(`linphone-${user}`),
      addressOfRecord: `${user}@${OVERLAY}`,
      transport: 'udp',
      speech: (await this.place(user)).speech.wideband,
    });
    return phone;
  }

  /** As many as named, registered, and known to each other. */
  async all<const T extends readonly User[]>(users: T, options: PjsuaOptions = {}): Promise<{ [K in keyof T]: Pjsua }> {
    const phones = await Promise.all(users.map(async (user) => this.at(user, options)));
    await delay(PUBLISHED_MS);
    return phones as { [K in keyof T]: Pjsua };
  }

  private async place(user: User): Promise<PhonePlace> {
    this.started += 1;
    return placeBeside(this.lab, {
      agent: this.hosts[user],
      namespace: this.namespaceOf(user),
      domain: OVERLAY,
      folder: `phone-${user}-${this.started}`,
    });
  }

  private namespaceOf(user: User): ThreeHosts['homes']['a']['namespace'] {
    const { homes } = this.hosts;
    return { alice: homes.a, bob: homes.b, peer: homes.peer }[user].namespace;
  }
}

const uri = (user: User): string => `sip:${user}@${OVERLAY}`;

async function inCall(calling: Pjsua, called: Pjsua, callee: User): Promise<void> {
  await calling.dial(uri(callee));
  await Promise.all([calling.established(ANSWER_MS), called.established(ANSWER_MS)]);
}

async function over(...phones: readonly Pjsua[]): Promise<void> {
  await Promise.all(phones.map(async (phone) => phone.ended(MESSAGE_MS)));
}

function forgotten(...phones: readonly Pjsua[]): void {
  for (const phone of phones) phone.forget();
}

async function stopped(t: ExecutionContext, ...phones: readonly Pjsua[]): Promise<void> {
  await Promise.all(phones.map(async (phone) => phone.stop()));
  t.false(
    phones.some(({ output }) => output.includes('ERROR')),
    phones.map(({ output }) => output).join('\n'),
  );
}

systemTest(
  'in a call: hold, resume and UPDATE by either end, digits as RTP and as INFO; the called hangs up, and in the call back the caller',
  async (t, lab) => {
    const phones = await Phones.create(lab);
    const [alice, bob] = await phones.all(['alice', 'bob']);
    await inCall(alice, bob, 'bob');
    await Promise.all([alice.next(/^MEDIA 1/, ANSWER_MS), bob.next(/^MEDIA 1/, ANSWER_MS)]);
    for (const [here, there] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      forgotten(here, there);
      here.command('hold');
      // PJSUA_CALL_MEDIA_LOCAL_HOLD and _REMOTE_HOLD.
      await Promise.all([here.next(/^MEDIA 2/, MESSAGE_MS), there.next(/^MEDIA 3/, MESSAGE_MS)]);
      forgotten(here, there);
      here.command('resume');
      await Promise.all([here.next(/^MEDIA 1/, MESSAGE_MS), there.next(/^MEDIA 1/, MESSAGE_MS)]);
      forgotten(here, there);
      here.command('update');
      await Promise.all([here.next(/^MEDIA 1/, MESSAGE_MS), there.next(/^MEDIA 1/, MESSAGE_MS)]);
      await delay(TALK_MS);
      here.command('dtmf 42');
      await there.next(/^DTMF 4 0/, MESSAGE_MS);
      await there.next(/^DTMF 2 0/, MESSAGE_MS);
      here.command('info 7');
      await there.next(/^DTMF 7 1/, MESSAGE_MS);
    }
    await bob.hangUp();
    await over(alice, bob);
    await inCall(bob, alice, 'alice');
    await bob.hangUp();
    await over(alice, bob);
    t.pass();
    await stopped(t, alice, bob);
  },
);

systemTest(
  'blind and attended transfer by PJSIP of a linphone to a third party: those two talk, and who transferred is out of it',
  async (t, lab) => {
    const phones = await Phones.create(lab);
    const bob = await phones.linphoneAt('bob');
    const [alice, carol] = await phones.all(['alice', 'peer']);
    for (const kind of ['blind', 'attended'] as const) {
      forgotten(alice, carol);
      await alice.dial(uri('bob'));
      await alice.established(ANSWER_MS);
      await delay(TALK_MS);
      if (kind === 'blind') {
        alice.command(`refer ${uri('peer')}`);
        await carol.established(ANSWER_MS);
      } else {
        alice.command('hold');
        await alice.next(/^MEDIA 2/, MESSAGE_MS);
        await inCall(alice, carol, 'peer');
        await delay(TALK_MS);
        carol.forget();
        alice.command('replace');
        // Its call with alice is replaced by that with bob.
        await carol.next(/^DISCONNECTED 410/, ANSWER_MS);
      }
      await alice.next(/^TRANSFER 100 Trying/, MESSAGE_MS);
      await alice.hangUp();
      await Promise.all([rtpComes(kind, carol), hearFromNowOn(kind, [bob])]);
      t.true(bob.trace.includes('Event: refer'), kind);
      t.is(/^Replaces: /m.test(bob.trace), kind === 'attended');
      bob.hangUp();
      if (kind === 'blind') await carol.ended(MESSAGE_MS);
      await delay(TALK_MS);
    }
    await bob.stop();
    await stopped(t, alice, carol);
  },
);

systemTest(
  'calls that are not answered: busy, declined, given up while it rings, and to a name that nobody has',
  async (t, lab) => {
    const phones = await Phones.create(lab);
    const alice = await phones.at('alice');
    const bob = await phones.at('bob', { options: ['manual'] });
    await delay(PUBLISHED_MS);
    for (const [answer, said] of [
      ['answer 486', /486/],
      ['answer 603', /603/],
    ] as const) {
      await alice.dial(uri('bob'));
      await Promise.all([bob.next(/^INCOMING/, ANSWER_MS), alice.next(/^EARLY 180/, ANSWER_MS)]);
      bob.command(answer);
      t.regex(await alice.next(/^DISCONNECTED/, MESSAGE_MS), said);
      await bob.ended(MESSAGE_MS);
    }
    await alice.dial(uri('bob'));
    await Promise.all([bob.next(/^INCOMING/, ANSWER_MS), alice.next(/^EARLY 180/, ANSWER_MS)]);
    await alice.hangUp();
    t.regex(await alice.next(/^DISCONNECTED/, MESSAGE_MS), /487/);
    await bob.ended(MESSAGE_MS);
    await alice.dial(`sip:nobody@${OVERLAY}`);
    t.regex(await alice.next(/^DISCONNECTED/, MESSAGE_MS), /404/);
    await stopped(t, alice, bob);
  },
);

systemTest(
  'early media and 100rel: a 183 with SDP is acknowledged by PRACK, and RTP comes before the answer',
  async (t, lab) => {
    const phones = await Phones.create(lab);
    const alice = await phones.at('alice', { options: ['100rel'] });
    const bob = await phones.at('bob', { options: ['manual', '100rel'] });
    await delay(PUBLISHED_MS);
    await alice.dial(uri('bob'));
    await bob.next(/^INCOMING/, ANSWER_MS);
    bob.command('answer 183');
    await alice.next(/^EARLY 183/, MESSAGE_MS);
    await Promise.all([alice.next(/^MEDIA 1/, MESSAGE_MS), bob.next(/^MEDIA 1/, MESSAGE_MS)]);
    await rtpComes('before the answer', alice);
    t.false(alice.output.includes('CONFIRMED'), 'nobody has answered');
    t.regex(alice.trace, /^PRACK sip:[^]*^RAck: /m);
    t.regex(alice.trace, /RX \d+ bytes Response msg 200\/PRACK/);
    bob.command('answer 200');
    await Promise.all([alice.established(MESSAGE_MS), bob.established(MESSAGE_MS)]);
    await rtpComes('after it', alice, bob);
    await alice.hangUp();
    await over(alice, bob);
    await stopped(t, alice, bob);
  },
);

systemTest(
  'MESSAGE, short and of 3,000 bytes, pass between members, who are told that the other one is online, over UDP and over TCP',
  async (t, lab) => {
    const phones = await Phones.create(lab);
    const alice = await phones.at('alice');
    const bob = await phones.at('bob', { options: ['tcp'] });
    await delay(PUBLISHED_MS);
    for (const [here, there, to, text] of [
      [alice, bob, 'bob', 'hello'],
      [bob, alice, 'alice', 'x'.repeat(3_000)],
    ] as const) {
      here.command(`message ${uri(to)} ${text}`);
      await here.next(/^SENT 200/, MESSAGE_MS);
      t.true((await there.next(/^MESSAGE /, MESSAGE_MS)).endsWith(` ${text}`));
      here.command(`subscribe ${uri(to)}`);
      await here.next(/^PRESENCE ACTIVE 1/, MESSAGE_MS);
    }
    await stopped(t, alice, bob);
  },
);
