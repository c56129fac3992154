import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import { udpFlow } from '../../../../src/sip/flow.ts';
import { firstHeader } from '../../../../src/sip/message/headers.ts';
import type { SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import type { ClientHandlers } from '../../../../src/sip/transaction/transaction.ts';
import { MessageLamp } from '../../../../src/sip/voice-mail/message-lamp.ts';
import { request, response } from '../../../sim/sip/messages.ts';

const PHONE = udpFlow({
  local: { address: '198.18.0.1', port: 5_062 },
  remote: { address: '198.18.0.1', port: 5_060 },
});
const ACCOUNT = 'sip:voicemail@home.example';

class Fixture {
  readonly told: { readonly notify: SipRequest; readonly handlers: ClientHandlers }[] = [];
  readonly lamp: MessageLamp;
  now = 0;
  private calls = 0;

  constructor() {
    this.lamp = new MessageLamp(
      {
        random: seededRandom(1),
        ports: {
          contactAt: () => 'sip:198.18.0.1:5062',
          request: (notify, _flow, _now, handlers) => this.told.push({ notify, handlers }),
        },
      },
      { account: ACCOUNT },
    );
  }

  subscribe(
    options: { expires?: string; event?: string; to?: string; callId?: string; contact?: string } = {},
  ): SipResponse {
    const { event = 'message-summary', to = 'sip:alice@home.example', callId = `call-${(this.calls += 1)}` } = options;
    const contact = options.contact ?? '<sip:alice@198.18.0.1:5060>';
    const asked = request('SUBSCRIBE', {
      ...{ uri: 'sip:alice@home.example', to, callId },
      headers: [
        `Event: ${event}`,
        ...(contact === '' ? [] : [`Contact: ${contact}`]),
        ...(options.expires === undefined ? [] : [`Expires: ${options.expires}`]),
      ],
    });
    const answer = this.lamp.answer(asked, PHONE, this.now);
    this.lamp.flush(this.now);
    return answer;
  }

  /** What the phone answers to the latest NOTIFY. */
  answer(status: number): void {
    const last = this.told.at(-1);
    if (last !== undefined) last.handlers.onFinal(response(last.notify, status), this.now);
  }

  pass(ms: number): void {
    this.now += ms;
    this.lamp.handleTimeout(this.now);
  }

  get states(): string[] {
    return this.told.map(({ notify }) => firstHeader(notify, 'subscription-state') ?? '');
  }

  get bodies(): string[] {
    return this.told.map(({ notify }) => Buffer.from(notify.body).toString());
  }
}

test('a SUBSCRIBE is answered with 200 and told at once how many messages wait, in its dialog', (t) => {
  const fixture = new Fixture();
  fixture.lamp.changed({ new: 2, old: 5 }, 0);
  const answer = fixture.subscribe({ expires: '600', event: 'message-summary;id=7' });
  t.is(answer.status, 200);
  t.is(firstHeader(answer, 'expires'), '600');
  t.is(firstHeader(answer, 'contact'), '<sip:198.18.0.1:5062>');
  const [notify] = fixture.told.map((entry) => entry.notify);
  if (notify === undefined) return void t.fail();
  t.is(notify.uri, 'sip:alice@198.18.0.1:5060');
  t.is(firstHeader(notify, 'from'), firstHeader(answer, 'to'));
  t.is(firstHeader(notify, 'to'), firstHeader(answer, 'from'));
  t.is(firstHeader(notify, 'call-id'), firstHeader(answer, 'call-id'));
  t.is(firstHeader(notify, 'event'), 'message-summary;id=7');
  t.deepEqual(fixture.states, ['active;expires=600']);
  t.deepEqual(fixture.bodies, [`Messages-Waiting: yes\r\nMessage-Account: ${ACCOUNT}\r\nVoice-Message: 2/5\r\n`]);
});

test('each change is told, one NOTIFY at a time, and what is the same is not told again', (t) => {
  const fixture = new Fixture();
  fixture.subscribe();
  fixture.lamp.changed({ new: 1, old: 0 }, 0);
  fixture.lamp.changed({ new: 2, old: 0 }, 0);
  t.is(fixture.told.length, 1);
  fixture.answer(200);
  t.is(fixture.told.length, 2);
  t.regex(fixture.bodies[1] ?? '', /Voice-Message: 2\/0/);
  fixture.answer(200);
  fixture.lamp.changed({ new: 2, old: 0 }, 0);
  t.is(fixture.told.length, 2);
  t.deepEqual(
    fixture.told.map(({ notify }) => firstHeader(notify, 'cseq')),
    ['1 NOTIFY', '2 NOTIFY'],
  );
});

test('it is renewed in its dialog, ends when its time is up or when it is taken back, and each time says so', (t) => {
  for (const end of ['time', 'unsubscribe']) {
    const fixture = new Fixture();
    const answer = fixture.subscribe({ expires: '100', callId: 'one' });
    fixture.answer(200);
    fixture.pass(90_000);
    const to = firstHeader(answer, 'to') ?? '';
    t.is(fixture.subscribe({ expires: '100', callId: 'one', to }).status, 200);
    fixture.answer(200);
    fixture.pass(90_000);
    t.deepEqual(fixture.states, ['active;expires=100', 'active;expires=100']);
    if (end === 'time') fixture.pass(10_000);
    else t.is(fixture.subscribe({ expires: '0', callId: 'one', to }).status, 200);
    t.is(fixture.states.at(-1), 'terminated;reason=timeout');
    fixture.answer(200);
    t.is(fixture.lamp.size, 0);
    t.is(fixture.subscribe({ callId: 'one', to }).status, 481);
    fixture.lamp.changed({ new: 9, old: 0 }, fixture.now);
    t.is(fixture.told.length, 3);
  }
});

test('a phone that refuses what it is told, or does not answer, is told no more', (t) => {
  for (const ends of ['481', 'timeout', 'transport']) {
    const fixture = new Fixture();
    fixture.subscribe();
    const handlers = fixture.told[0]?.handlers;
    if (ends === '481') fixture.answer(481);
    else if (ends === 'timeout') handlers?.onTimeout(0);
    else handlers?.onTransportError(0);
    t.is(fixture.lamp.size, 0);
    fixture.lamp.changed({ new: 1, old: 0 }, 0);
    t.is(fixture.told.length, 1);
  }
});

test('a look without a subscription (Expires 0) is told once; too short a time is refused, and a long one is cut', (t) => {
  const fixture = new Fixture();
  t.is(fixture.subscribe({ expires: '0' }).status, 200);
  t.deepEqual(fixture.states, ['terminated;reason=timeout']);
  fixture.answer(200);
  t.is(fixture.lamp.size, 0);
  const brief = fixture.subscribe({ expires: '30' });
  t.is(brief.status, 423);
  t.is(firstHeader(brief, 'min-expires'), '60');
  t.is(firstHeader(fixture.subscribe({ expires: '9999999' }), 'expires'), '3600');
  t.is(firstHeader(fixture.subscribe(), 'expires'), '3600');
  t.is(fixture.subscribe({ expires: 'soon' }).status, 400);
  t.is(fixture.subscribe({ contact: '' }).status, 400);
});

test('of more subscriptions than a household has the longest unrenewed are forgotten', (t) => {
  const fixture = new Fixture();
  for (let count = 0; count < 500; count += 1) {
    fixture.subscribe();
    fixture.answer(200);
  }
  t.is(fixture.lamp.size, 2 * 64);
});
