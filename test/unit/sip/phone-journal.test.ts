import test from 'ava';
import { type SipFlow, udpFlow } from '../../../src/sip/flow.ts';
import { type BoundPhone, PhoneJournal } from '../../../src/sip/phone-journal.ts';
import { request } from '../../sim/sip/messages.ts';

const OWN = ['2001:20::1', '198.18.0.1'];

function flow(port = 5060, address = '198.18.0.1'): SipFlow {
  return udpFlow({ local: { address: '198.18.0.1', port: 5062 }, remote: { address, port } });
}

class Bench {
  now = 0;
  readonly journal = new PhoneJournal({
    isOwn: (address) => OWN.includes(address),
    clock: { monotonic: () => this.now },
  });

  get notes(): string[] {
    return this.journal.notes.map(({ kind, phone, detail, at }) => `${at} ${kind} ${phone}: ${detail}`);
  }

  register(via: string, contact: string, from = flow()): void {
    const headers = ['User-Agent: desk', `Contact: <sip:alice@${contact}>`];
    this.journal.heard(request('REGISTER', { via: `SIP/2.0/UDP ${via};branch=z9hG4bK1`, headers }), from);
  }

  bind(...phones: readonly { contact: string; until: number; from?: SipFlow }[]): void {
    const bound = phones.map(({ contact, until, from = flow() }): BoundPhone => ({
      ...{ aor: 'alice@home.example', contact, flow: from, updatedAt: this.now, expiresAt: until },
    }));
    this.journal.registered(bound);
  }
}

test('a phone that writes the address of another interface is noted with it, until it registers with the right one', (t) => {
  const bench = new Bench();
  bench.register('192.168.1.7:5060', '203.0.113.5:5060');
  t.deepEqual(bench.notes, ['0 interface desk at 198.18.0.1:5060: 192.168.1.7 203.0.113.5']);
  bench.register('198.18.0.1:5060', '[2001:20::1]:5060');
  t.deepEqual(bench.notes, []);
});

test('addresses of this host in the overlay, names, and loopback of what comes from there are right', (t) => {
  const bench = new Bench();
  bench.register('[2001:20::1]:5060', 'phone.example');
  bench.register('127.0.0.1:5060', '127.0.0.1:5060', flow(5060, '127.0.0.1'));
  t.deepEqual(bench.notes, []);
  bench.register('127.0.0.1:5060', '127.0.0.1:5060');
  t.deepEqual(bench.notes, ['0 interface desk at 198.18.0.1:5060: 127.0.0.1']);
});

test('who was refused is noted with whom it claimed, until it is registered', (t) => {
  const bench = new Bench();
  bench.now = 7;
  bench.journal.refused(request('REGISTER', { from: 'carol@home.example' }), flow(), 'To Must Be alice@home.example');
  t.deepEqual(bench.notes, [
    '7 refused a phone at 198.18.0.1:5060: sip:carol@home.example: To Must Be alice@home.example',
  ]);
  bench.bind({ contact: 'sip:alice@198.18.0.1', until: 1_000 });
  t.deepEqual(bench.notes, []);
});

test('a registration that ends is noted with how; one that the same phone replaces by another Contact is not', (t) => {
  const bench = new Bench();
  bench.bind({ contact: 'sip:a', until: 60_000 }, { contact: 'sip:b', until: 10, from: flow(5080) });
  bench.now = 20;
  bench.bind({ contact: 'sip:a2', until: 60_000 });
  t.deepEqual(bench.notes, ['20 gone sip:b: it did not register again in time']);
  bench.bind();
  t.deepEqual(bench.notes.at(-1), '20 gone sip:a2: it took its registration back');
  bench.bind({ contact: 'sip:a2', until: 60_000 }, { contact: 'sip:b', until: 60_000, from: flow(5080) });
  t.deepEqual(bench.notes, []);
});

test('since when a phone is registered does not change with a refresh', (t) => {
  const bench = new Bench();
  const contact = 'sip:a';
  bench.bind({ contact, until: 60_000 });
  bench.now = 30_000;
  bench.bind({ contact, until: 90_000 });
  t.is(bench.journal.since({ aor: 'alice@home.example', contact, updatedAt: 30_000 }), 0);
});

test('whatever phones there are, and however long their names, memory is bounded', (t) => {
  const bench = new Bench();
  for (let port = 1; port < 1_000; port++)
    bench.journal.refused(
      request('REGISTER', { headers: [`User-Agent: ${'x'.repeat(1_000)}`], from: `${'y'.repeat(1_000)}@home.example` }),
      flow(port),
      'To Must Be alice@home.example',
    );
  t.is(bench.journal.notes.length, 64);
  t.true(bench.journal.notes.every(({ phone, detail }) => phone.length < 200 && detail.length <= 256));
});
