import bencode from 'bencode';
import test from 'ava';
import { MalformedMessageError } from '../../../../src/base/errors.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { MAX_NG_COMMANDS, NG_TIMEOUT_MS } from '../../../../src/sip/media/constants.ts';
import { NgClient } from '../../../../src/sip/media/ng-client.ts';
import { decodeNg, encodeNg, type NgAnswer } from '../../../../src/sip/media/ng-codec.ts';

test('a command is a cookie, a space and a bencoded dictionary with sorted keys, as in the example of ng_control_protocol.md', (t) => {
  t.is(Buffer.from(encodeNg('5323_1', { command: 'ping' })).toString(), '5323_1 d7:command4:pinge');
  const offer = encodeNg('c', { sdp: Buffer.from('v=0\r\n'), direction: ['lan', 'overlay'], command: 'offer', n: 0 });
  t.is(Buffer.from(offer).toString(), 'c d7:command5:offer9:directionl3:lan7:overlaye1:ni0e3:sdp5:v=0\r\ne');
});

test('an answer is read with its session description as it came', (t) => {
  t.deepEqual(decodeNg(Buffer.from('5323_1 d6:result4:ponge')), {
    cookie: '5323_1',
    answer: { result: 'pong', reason: undefined, sdp: undefined },
  });
  const { answer } = decodeNg(Buffer.from('c d12:error-reason3:bad6:result5:error3:sdp3:v=0e'));
  t.is(answer.reason, 'bad');
  t.is(Buffer.from(answer.sdp ?? []).toString(), 'v=0');
});

for (const bytes of [
  '',
  'c',
  'c ',
  ' d6:result2:oke',
  'c le',
  'c d6:result',
  'c i5e',
  'c d6:resulti1ee',
  `c ${'l'.repeat(60_000)}`,
])
  test(`no answer: ${bytes.slice(0, 20)} (${bytes.length} bytes)`, (t) => {
    t.throws(() => decodeNg(Buffer.from(bytes)), { instanceOf: MalformedMessageError });
  });

function client(): { client: NgClient; sent: string[] } {
  const sent: string[] = [];
  const made = new NgClient({
    random: seededRandom(1),
    logger: silentLogger,
    send: (bytes) => void sent.push(Buffer.from(bytes).toString()),
  });
  return { client: made, sent };
}

function runUntil(at: NgClient, until: number): void {
  for (let next = at.nextTimeout(); next !== undefined && next <= until; next = at.nextTimeout())
    at.handleTimeout(next);
}

test('a command is repeated with its cookie, and after its time there is no answer', (t) => {
  const { client: at, sent } = client();
  const answers: (NgAnswer | undefined)[] = [];
  let endedAt = 0;
  at.ask({ command: 'ping' }, 1_000, (answer, now) => {
    answers.push(answer);
    endedAt = now;
  });
  runUntil(at, 60_000);
  t.is(sent.length, 4);
  t.is(new Set(sent).size, 1);
  t.deepEqual(answers, [undefined]);
  t.is(endedAt, 1_000 + NG_TIMEOUT_MS);
  t.is(at.nextTimeout(), undefined);
});

test('an answer ends the command whose cookie it has, once; others and nonsense end nothing', (t) => {
  const { client: at, sent } = client();
  const heard: string[] = [];
  at.ask({ command: 'a' }, 0, (answer) => void heard.push(`a ${answer?.result ?? 'none'}`));
  at.ask({ command: 'b' }, 0, (answer) => void heard.push(`b ${answer?.result ?? 'none'}`));
  const reply = (index: number): Uint8Array =>
    Buffer.concat([Buffer.from(`${sent[index]?.split(' ')[0] ?? ''} `), bencode.encode({ result: 'ok' })]);
  at.receive(Buffer.from('garbage'), 1);
  at.receive(Buffer.from('other d6:result2:oke'), 1);
  at.receive(reply(1), 2);
  at.receive(reply(1), 3);
  t.deepEqual(heard, ['b ok']);
  runUntil(at, 60_000);
  t.deepEqual(heard, ['b ok', 'a none']);
});

test('one command too many, or too long, is not sent, and is told later', (t) => {
  const { client: at, sent } = client();
  let ended = 0;
  for (let n = 0; n < MAX_NG_COMMANDS; n += 1) at.ask({ command: 'ping' }, 0, () => {});
  at.ask({ command: 'ping' }, 0, () => (ended += 1));
  t.is(sent.length, MAX_NG_COMMANDS);
  t.is(ended, 0);
  t.is(at.nextTimeout(), 0);
  at.handleTimeout(0);
  t.is(ended, 1);
  const other = client();
  other.client.ask({ command: 'offer', sdp: Buffer.alloc(70_000) }, 0, () => (ended += 1));
  t.is(other.sent.length, 0);
  other.client.handleTimeout(0);
  t.is(ended, 2);
});
