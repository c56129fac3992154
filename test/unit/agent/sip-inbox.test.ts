import test from 'ava';
import { type Incoming, SipInbox } from '../../../src/agent/sip-inbox.ts';
import { type SipFlow, tcpFlow, udpFlow } from '../../../src/sip/flow.ts';
import { parseSip } from '../../../src/sip/message/codec.ts';

const local = { address: '2001:20::a', port: 5062 };
const from = (address: string, port = 5060): SipFlow => udpFlow({ local, remote: { address, port } });
const BYTES = Buffer.from('x');
const MESSAGE = parseSip(Buffer.from('OPTIONS sip:a SIP/2.0\r\n\r\n'));
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Each message takes a millisecond of a clock that stands still otherwise. */
function slowInbox(): { inbox: SipInbox; handled: SipFlow[]; incoming: Incoming[] } {
  let now = 0;
  const handled: SipFlow[] = [];
  const incoming: Incoming[] = [];
  const handle = (flow: SipFlow, what: Incoming): void => {
    now += 1;
    handled.push(flow);
    incoming.push(what);
  };
  return { inbox: new SipInbox({ clock: { monotonic: () => now }, handle }), handled, incoming };
}

test('one turn of the event loop handles what it has two milliseconds for, and the next ones the rest in order', async (t) => {
  const { inbox, handled } = slowInbox();
  for (let port = 1; port <= 7; port++) t.true(inbox.datagram(from('2001:20::b', port), BYTES));
  t.is(handled.length, 0);
  for (const count of [2, 4, 6, 7]) {
    await nextTurn();
    t.is(handled.length, count);
  }
  t.deepEqual(
    handled.map(({ remote }) => remote.port),
    [1, 2, 3, 4, 5, 6, 7],
  );
});

test('one source has 64 datagrams waiting at most, all together 1,024, and room comes back with each that is handled', async (t) => {
  const { inbox } = slowInbox();
  const taken = (address: string, count: number): number =>
    Array.from({ length: count }, () => inbox.datagram(from(address), BYTES)).filter(Boolean).length;
  t.is(taken('2001:20::b', 100), 64);
  t.is(taken('2001:20::c', 100), 64);
  let all = 128;
  for (let i = 0; i < 20; i++) all += taken(`2001:20::d:${i}`, 64);
  t.is(all, 1_024);
  await nextTurn();
  t.is(taken('2001:20::b', 100), 2);
});

test('a stream is told when the last of its messages is handled, however full it is', async (t) => {
  const { inbox, incoming } = slowInbox();
  for (let i = 0; i < 64; i++) inbox.datagram(from('2001:20::b'), BYTES);
  let done = 0;
  inbox.stream(tcpFlow({ local, remote: { address: '2001:20::b', port: 9 } }), [MESSAGE, MESSAGE], () => (done += 1));
  for (let i = 0; i < 32; i++) await nextTurn();
  t.is(done, 0);
  await nextTurn();
  t.is(done, 1);
  t.deepEqual(incoming.slice(-2), [MESSAGE, MESSAGE]);
});

test('a closed one handles nothing more, and takes nothing', async (t) => {
  const { inbox, handled } = slowInbox();
  inbox.datagram(from('2001:20::b'), BYTES);
  inbox.close();
  inbox.datagram(from('2001:20::b'), BYTES);
  await nextTurn();
  t.is(handled.length, 0);
});
