import test from 'ava';
import { IdlocError } from '../../../../src/base/errors.ts';
import type { SocketAddress } from '../../../../src/base/socket-address.ts';
import type { MachineResult } from '../../../../src/agent/voice-mail/answering-machines.ts';
import { MachineCalls } from '../../../../src/agent/voice-mail/machine-calls.ts';
import type { Message, Recording } from '../../../../src/agent/voice-mail/recording.ts';
import type { MailboxOffer, VoiceMailPort } from '../../../../src/agent/voice-mail/voice-mail-port.ts';
import type { Orders } from '../../../../src/machine/frames.ts';
import type { MailOffer } from '../../../../src/sip/voice-mail/ports.ts';

const AT = { address: '127.0.0.1', port: 6_000 };
const CALL = { family: 4, codec: 'g711' } as const;
const OGG = Uint8Array.of(1, 2, 3);

class Fixture {
  readonly left: (Recording & { readonly user: string })[] = [];
  readonly heard: string[] = [];
  readonly started: { readonly orders: Omit<Orders, 'interfaceName'>; readonly sounds: readonly Uint8Array[] }[] = [];
  readonly warnings: string[] = [];
  messages: readonly Message[] = [];
  offer: MailboxOffer | undefined = { ringMs: 20_000, maxSeconds: 120, greeting: () => Promise.resolve(OGG) };
  result: MachineResult | undefined = { ogg: OGG, seconds: 7, played: 0, why: '' };
  at: SocketAddress | undefined = AT;
  areThere = true;
  room: Promise<boolean> = Promise.resolve(true);
  /** That were being made when room was asked for. */
  readonly underWay: number[] = [];
  /** Machines talk so long. */
  over: Promise<unknown> | undefined;
  leave: () => Promise<void> = () => Promise.resolve();
  readonly calls: MachineCalls;

  stopped = 0;
  isWaiting = true;

  constructor() {
    const mail: VoiceMailPort = {
      offerOf: () => Promise.resolve(this.offer),
      hasRoomFor: (_user, underWay) => {
        this.underWay.push(underWay);
        return this.room;
      },
      leave: (user, recording) => {
        this.left.push({ ...recording, user });
        return this.leave();
      },
      list: () => Promise.resolve(this.messages),
      read: (id) =>
        id === 'gone' ? Promise.reject(new IdlocError('no_such_message', 'gone')) : Promise.resolve(Buffer.from(id)),
      markHeard: (ids) => {
        this.heard.push(...ids);
        return Promise.resolve();
      },
      remove: () => Promise.resolve(),
      onChange: () => {},
    };
    const { warnings } = this;
    this.calls = new MachineCalls({
      mail,
      machines: {
        areThere: true,
        start: (orders, sounds) => {
          this.started.push({ orders, sounds });
          const stop = (): void => void (this.stopped += 1);
          const over = (this.over ?? Promise.resolve()).then(() => this.result);
          return { ready: Promise.resolve(this.at), over, stop };
        },
      },
      clock: { wall: () => 1_000_000, monotonic: () => 0 },
      logger: { debug: () => {}, info: () => {}, warn: (event) => void warnings.push(event), error: () => {} },
      feed: (input) => input(0),
    });
  }

  async offered(): Promise<MailOffer | undefined> {
    return new Promise((resolve) => this.calls.offerOf('bob@home.example', resolve));
  }

  /** A message for bob is taken. @returns where the machine hears SIP. */
  async take(): Promise<SocketAddress | undefined> {
    const offer = await this.offered();
    const at = await new Promise<SocketAddress | undefined>((resolve) =>
      offer?.answer({ ...CALL, from: 'alice@home.example' }, (place) => {
        resolve(place);
        return this.isWaiting;
      }),
    );
    await settled();
    return at;
  }

  async play(): Promise<unknown> {
    const at = await new Promise((resolve) =>
      this.calls.playBack(CALL, (place) => {
        resolve(place);
        return this.isWaiting;
      }),
    );
    await settled();
    return at;
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function message(id: string, isNew: boolean, seconds = 3): Message {
  return { id, from: 'alice@home.example', at: 0, seconds, isNew, isWhole: true };
}

test('a machine plays the greeting, and what was said is left for who was called, by the time when it began', async (t) => {
  const fixture = new Fixture();
  t.is((await fixture.offered())?.ringMs, 20_000);
  t.deepEqual(await fixture.take(), AT);
  t.deepEqual(fixture.started, [{ orders: { task: 'record', ...CALL, maxSeconds: 120 }, sounds: [OGG] }]);
  t.deepEqual(fixture.left, [
    { ogg: OGG, seconds: 7, at: 993_000, from: 'alice@home.example', user: 'bob@home.example' },
  ]);
});

test('a mailbox without room: no machine is started, and the caller hears what he would have heard without', async (t) => {
  const fixture = new Fixture();
  fixture.room = Promise.resolve(false);
  t.is(await fixture.take(), undefined);
  t.deepEqual([fixture.started, fixture.left], [[], []]);
});

test('whether there is room is not known: the message is taken all the same', async (t) => {
  const fixture = new Fixture();
  fixture.room = Promise.reject(new Error('nobody answers'));
  t.deepEqual(await fixture.take(), AT);
  t.is(fixture.left.length, 1);
});

test('room is asked for beside the recordings that are being made', async (t) => {
  const fixture = new Fixture();
  const talking = Promise.withResolvers<undefined>();
  fixture.over = talking.promise;
  await fixture.take();
  await fixture.take();
  talking.resolve(undefined);
  await settled();
  await fixture.take();
  t.deepEqual(fixture.underWay, [0, 1, 0]);
});

test('a machine whose caller has hung up meanwhile is ended', async (t) => {
  const fixture = new Fixture();
  await fixture.take();
  t.is(fixture.stopped, 0);
  fixture.messages = [message('a', true)];
  await fixture.play();
  t.is(fixture.stopped, 0);
  fixture.isWaiting = false;
  await fixture.take();
  t.is(fixture.stopped, 1);
  await fixture.play();
  t.is(fixture.stopped, 2);
});

test('less than a second, nothing, and a machine that fails leave no message', async (t) => {
  for (const result of [
    { ogg: OGG, seconds: 0.9, played: 0, why: '' },
    { ogg: undefined, seconds: 0, played: 0, why: '' },
    undefined,
  ]) {
    const fixture = new Fixture();
    fixture.result = result;
    await fixture.take();
    t.deepEqual(fixture.left, []);
  }
  const broken = new Fixture();
  broken.at = undefined;
  broken.result = undefined;
  t.is(await broken.take(), undefined);
});

test('a greeting that does not come is left out; a message that nobody takes is one line in the log', async (t) => {
  const fixture = new Fixture();
  fixture.offer = { ringMs: 1, maxSeconds: 9_999, greeting: () => Promise.reject(new Error('nowhere')) };
  fixture.leave = () => Promise.reject(new IdlocError('outbox_full', 'full'));
  t.deepEqual(await fixture.take(), AT);
  t.deepEqual(fixture.started[0]?.sounds, []);
  t.is(fixture.started[0]?.orders.maxSeconds, 180);
  t.deepEqual(fixture.warnings, ['voice mail: no greeting', 'voice mail: a message is not taken']);
  fixture.offer = undefined;
  t.is(await fixture.offered(), undefined);
});

test('new messages are played in their order, and those that were heard to the end are marked', async (t) => {
  const fixture = new Fixture();
  fixture.messages = [
    message('a', false),
    message('b', true),
    message('gone', true),
    message('c', true),
    message('d', true),
  ];
  fixture.result = { ogg: undefined, seconds: 0, played: 2, why: '' };
  t.deepEqual(await fixture.play(), AT);
  t.deepEqual(fixture.started[0]?.sounds.map(String), ['b', 'c', 'd']);
  t.is(fixture.started[0]?.orders.task, 'play');
  t.deepEqual(fixture.heard, ['b', 'c']);
});

test('each message has the time that it says it has, and none more than a message may have', async (t) => {
  const fixture = new Fixture();
  fixture.messages = [0, 3, 180, 65_535].map((seconds) => message(`${seconds}`, true, seconds));
  await fixture.play();
  t.deepEqual(fixture.started[0]?.orders.soundSeconds, [6, 8, 185, 185]);
});

test('new messages that cannot be read do not stand before the old ones', async (t) => {
  const fixture = new Fixture();
  fixture.messages = [message('a', false), message('gone', true)];
  t.deepEqual(await fixture.play(), AT);
  t.deepEqual(fixture.started[0]?.sounds.map(String), ['a']);
});

test('without new messages the old ones are played; without any, or when none can be had, the call is refused', async (t) => {
  const fixture = new Fixture();
  t.deepEqual(await fixture.play(), { status: 480, reason: 'No Messages' });
  fixture.messages = [message('a', false)];
  t.deepEqual(await fixture.play(), AT);
  t.deepEqual(fixture.started[0]?.sounds.map(String), ['a']);
  fixture.messages = [message('gone', true)];
  t.deepEqual(await fixture.play(), { status: 480, reason: 'Messages Unavailable' });
  fixture.messages = [message('a', true)];
  fixture.at = undefined;
  t.deepEqual(await fixture.play(), { status: 480, reason: 'Answering Machine Failed' });
});
