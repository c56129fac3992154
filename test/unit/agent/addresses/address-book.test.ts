import test from 'ava';
import { AddressBook } from '../../../../src/agent/addresses/address-book.ts';
import type { AddressEntry } from '../../../../src/agent/addresses/address-entries.ts';
import { systemRandom } from '../../../../src/base/random.ts';
import { DocumentHost, UserOverlay } from '../user-documents/user-overlay.ts';

const entry = (name: string): AddressEntry => ({
  ...{ uid: `urn:${name}`, name, addresses: [`sip:${name}@home.example`] },
  card: `BEGIN:VCARD\r\nVERSION:4.0\r\nFN:${name}\r\nEND:VCARD`,
});

class Host extends DocumentHost<AddressBook> {
  constructor(overlay: UserOverlay) {
    super(overlay, (components) => new AddressBook(components));
  }

  get book(): AddressBook {
    return this.document;
  }

  get names(): string[] {
    return this.book.all.map(({ name }) => name);
  }
}

const put = (host: Host, ...names: string[]): Promise<number> =>
  host.book.change({ put: names.map((name) => entry(name)), remove: [] });

test('contacts of one host are at the other host of the user, though the two are never up at once', async (t) => {
  const overlay = new UserOverlay();
  const [phone, laptop] = [new Host(overlay), new Host(overlay)];
  await put(phone, 'bob', 'dan');
  t.is(phone.book.problem, 'not stored in the overlay yet');
  await phone.book.sync();
  t.is(phone.book.problem, null);
  phone.book.stop();
  await laptop.book.sync();
  t.deepEqual(laptop.names, ['bob', 'dan']);
  await laptop.book.change({ put: [entry('eve')], remove: ['urn:bob'] });
  await laptop.book.sync();
  phone.start();
  await phone.book.sync();
  t.deepEqual(phone.names, ['dan', 'eve']);
});

test('a host that has lost its disk but not its key has its contacts again, and one that is restarted without the overlay too', async (t) => {
  const overlay = new UserOverlay();
  const host = new Host(overlay);
  await put(host, 'bob');
  await host.book.sync();
  overlay.isReachable = false;
  host.start();
  t.deepEqual(host.names, ['bob']);
  overlay.isReachable = true;
  host.files.clear();
  host.start();
  t.deepEqual(host.names, []);
  await host.book.sync();
  t.deepEqual(host.names, ['bob']);
});

test('nothing is stored anew that is there already; it is after eight days, when it is gone, and when the user has another host', async (t) => {
  const overlay = new UserOverlay();
  const host = new Host(overlay);
  await host.book.sync();
  t.is(overlay.saves, 0, 'there is nothing');
  await put(host, 'bob');
  for (let i = 0; i < 3; i++) await host.book.sync();
  t.is(overlay.saves, 1);
  host.start();
  await host.book.sync();
  t.is(overlay.saves, 1);
  overlay.now += 9 * 86_400_000;
  await host.book.sync();
  t.is(overlay.saves, 2);
  overlay.documents.clear();
  await host.book.sync();
  t.is(overlay.saves, 3);
  const laptop = new Host(overlay);
  await host.book.sync();
  t.is(overlay.saves, 4);
  await laptop.book.sync();
  t.deepEqual(laptop.names, ['bob']);
});

test('each document is stored beside the one before, and later', async (t) => {
  const overlay = new UserOverlay();
  const host = new Host(overlay);
  const slots: number[] = [];
  let savedAt = 0;
  for (const name of ['a', 'b', 'c']) {
    await put(host, name);
    await host.book.sync();
    const document = overlay.documents.get(host.identity.hit);
    if (document === undefined) return t.fail();
    slots.push(document.slot);
    t.true(document.savedAt > savedAt);
    ({ savedAt } = document);
    t.false(Buffer.from(document.content).includes('home.example'));
  }
  t.deepEqual(slots, [0, 1, 0]);
});

test('without the overlay it is said why, tried again at growing pauses, and stored when there is one', async (t) => {
  const overlay = new UserOverlay();
  const host = new Host(overlay);
  overlay.isReachable = false;
  await put(host, 'bob');
  const pauses: (number | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    await host.book.sync();
    pauses.push(host.timers.at(-1)?.ms);
  }
  t.deepEqual(pauses, [30_000, 60_000, 120_000]);
  t.is(host.book.problem, 'nobody answers');
  overlay.isReachable = true;
  await host.book.sync();
  t.is(host.book.problem, null);
  t.is(overlay.saves, 1);
});

test('what is not for this host, and what is no contacts at all, costs nothing of its own', async (t) => {
  const overlay = new UserOverlay();
  const [phone, laptop] = [new Host(overlay), new Host(overlay)];
  await put(phone, 'bob');
  await phone.book.sync();
  await put(laptop, 'eve');
  overlay.documents.set(laptop.identity.hit, {
    savedAt: 1,
    slot: 0,
    content: Buffer.from('garbage of another version'),
  });
  await phone.book.sync();
  t.deepEqual(phone.names, ['bob']);
  await laptop.book.sync();
  t.deepEqual(laptop.names, ['bob', 'eve']);
});

test('more than the overlay keeps stays on this host, and that is said', async (t) => {
  const overlay = new UserOverlay();
  const host = new Host(overlay);
  const large = Array.from({ length: 40 }, (_, i) => ({
    ...entry(`c${i}`),
    card: Buffer.from(systemRandom.bytes(1_000)).toString('hex'),
  }));
  await host.book.change({ put: large, remove: [] });
  await host.book.sync();
  t.regex(host.book.problem ?? '', /^the contacts take \d+ bytes, packed, and the overlay keeps \d+/);
  t.is(overlay.saves, 0);
  host.start();
  t.is(host.names.length, 40);
});
