import test from 'ava';
import { PhoneFiles } from '../../../../src/agent/phone-files/phone-files.ts';
import type { Logger } from '../../../../src/base/logger.ts';
import { systemRandom } from '../../../../src/base/random.ts';
import { HostIdentity } from '../../../../src/identity/host-identity.ts';
import { DocumentHost, UserOverlay } from '../user-documents/user-overlay.ts';

const ACCOUNTS = Buffer.from('<sip:alice@home.example>;regint=60;auth_pass=Geheim Nummer 7\n');
/** No UTF-8, and every byte that there is. */
const BINARY = Uint8Array.from({ length: 4_096 }, (_, i) => (i * 7) & 0xff);

class Host extends DocumentHost<PhoneFiles> {
  constructor(overlay: UserOverlay, logger?: Logger) {
    super(overlay, (components) => new PhoneFiles(components), logger);
  }

  get names(): string[] {
    return this.document.list.map(({ name }) => name);
  }

  async text(name: string): Promise<string> {
    return Buffer.from((await this.document.read(name)).content).toString();
  }
}

test('a file of one host is at the other host of the user, byte by byte, text or not; the latest of a name counts', async (t) => {
  const overlay = new UserOverlay();
  const [phone, laptop] = [new Host(overlay), new Host(overlay)];
  t.deepEqual(await phone.document.save('baresip/accounts', ACCOUNTS), {
    ...{ name: 'baresip/accounts', bytes: ACCOUNTS.length },
    savedAt: overlay.now,
  });
  await phone.document.save('Türstation', BINARY);
  await phone.document.save('empty', new Uint8Array());
  t.is(phone.document.problem, null, 'it is in the overlay when it is said to be saved');
  t.deepEqual(new Uint8Array((await laptop.document.read('Türstation')).content), BINARY);
  t.is(await laptop.text('baresip/accounts'), ACCOUNTS.toString());
  t.is(await laptop.text('empty'), '');
  t.deepEqual(laptop.names, ['baresip/accounts', 'empty', 'Türstation']);
  overlay.now += 60_000;
  await laptop.document.save('baresip/accounts', Buffer.from('new'));
  await laptop.document.removeAll(['empty', 'Türstation']);
  overlay.now += 60_000;
  t.is(await phone.text('baresip/accounts'), 'new');
  t.deepEqual(phone.names, ['baresip/accounts']);
});

test('a host that has lost its disk but not its key has its files again, and one that comes later gets them when it is met', async (t) => {
  const overlay = new UserOverlay();
  const phone = new Host(overlay);
  await phone.document.save('linphonerc', ACCOUNTS);
  phone.files.clear();
  phone.start();
  t.is(await phone.text('linphonerc'), ACCOUNTS.toString());
  const tablet = new Host(overlay);
  overlay.nameless.add(tablet.identity);
  await tablet.document.sync();
  t.deepEqual(tablet.names, [], 'sealed before it came');
  t.is(tablet.timers.at(-1)?.ms, 30_000, 'it looks again soon');
  phone.document.seen({ hit: tablet.identity.hit, user: 'alice@home.example' });
  t.is(phone.timers.at(-1)?.ms, 15_000);
  await phone.document.sync();
  t.is(phone.timers.at(-1)?.ms, 30_000, 'its name is not known yet');
  overlay.nameless.clear();
  await phone.document.sync();
  t.is(phone.timers.at(-1)?.ms, 1_800_000);
  overlay.now += 60_000;
  await tablet.document.sync();
  t.deepEqual(tablet.names, ['linphonerc']);
  t.is(tablet.timers.at(-1)?.ms, 1_800_000);
});

test('links with hosts of other users, and with those that have opened it, change nothing', async (t) => {
  const overlay = new UserOverlay();
  const [phone, laptop] = [new Host(overlay), new Host(overlay)];
  await phone.document.sync();
  const { timers } = phone;
  phone.document.seen({ hit: laptop.identity.hit, user: 'alice@home.example' });
  phone.document.seen({ hit: HostIdentity.generate().hit, user: 'bob@home.example' });
  phone.document.seen({ hit: HostIdentity.generate().hit, user: null });
  t.deepEqual(phone.timers, timers);
});

test('nothing of a file is in the overlay to be read, or readable for others on the host, or in the log, also where it is broken', async (t) => {
  const overlay = new UserOverlay();
  const logged: unknown[] = [];
  const log = (...entry: unknown[]): void => void logged.push(entry);
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const phone = new Host(overlay, logger);
  await phone.document.save('accounts', ACCOUNTS);
  for (const { content } of overlay.documents.values())
    for (const word of ['Geheim', 'accounts', 'alice']) t.false(Buffer.from(content).includes(word));
  t.deepEqual([...phone.files.keys()], ['phone-files.json']);
  t.is(phone.open.size, 0);
  const file = Buffer.from(phone.files.get('phone-files.json') ?? []).toString();
  for (const broken of [file.slice(0, file.indexOf('Geheim') + 8), file.replace('"utf8"', '"Geheim"')]) {
    phone.files.set('phone-files.json', Buffer.from(broken));
    phone.start();
    t.deepEqual(phone.names, []);
  }
  t.is(logged.length, 2);
  t.false(JSON.stringify(logged).includes('Geheim'));
});

test('contacts and files do not open in place of each other', async (t) => {
  const overlay = new UserOverlay();
  const phone = new Host(overlay);
  await phone.document.save('accounts', ACCOUNTS);
  const { AddressBook } = await import('../../../../src/agent/addresses/address-book.ts');
  const book = new DocumentHost(overlay, (components) => new AddressBook({ ...components, identity: phone.identity }));
  await book.document.sync();
  t.deepEqual(book.document.all, []);
  t.is(book.document.problem, null);
});

test('sixteen files are kept, of 64 KiB, and what the overlay has no room for is refused before anything is changed', async (t) => {
  const overlay = new UserOverlay();
  const phone = new Host(overlay);
  await t.throwsAsync(phone.document.save('large', new Uint8Array(65_537)), { code: 'file_too_large' });
  for (let i = 0; i < 16; i++) await phone.document.save(`f${i}`, Buffer.alloc(65_536, `line ${i}\n`));
  await t.throwsAsync(phone.document.save('one more', ACCOUNTS), { code: 'too_many_files' });
  await phone.document.save('f3', ACCOUNTS);
  const noise = systemRandom.bytes(65_536);
  await phone.document.save('f4', noise);
  const refused = await t.throwsAsync(phone.document.save('f5', systemRandom.bytes(65_536)), {
    code: 'too_many_files',
  });
  t.regex(refused.message, /^with f5 the files of phones would take \d+ bytes, packed, and the overlay keeps \d+/);
  t.is(phone.document.problem, null);
  const laptop = new Host(overlay);
  await phone.document.sync();
  t.deepEqual(new Uint8Array((await laptop.document.read('f4')).content), new Uint8Array(noise));
  t.is((await laptop.text('f5')).slice(0, 7), 'line 5\n');
});

test('what is not there is not removed, nor is what is named beside it', async (t) => {
  const phone = new Host(new UserOverlay());
  await phone.document.save('accounts', ACCOUNTS);
  await t.throwsAsync(phone.document.removeAll(['accounts', 'other']), { code: 'no_such_file' });
  await t.throwsAsync(phone.document.read('other'), { code: 'no_such_file' });
  t.deepEqual(phone.names, ['accounts']);
});

test('without the overlay a file is kept on this host, and that is said', async (t) => {
  const overlay = new UserOverlay();
  overlay.isReachable = false;
  const phone = new Host(overlay);
  await phone.document.save('accounts', ACCOUNTS);
  t.is(phone.document.problem, 'nobody answers');
  phone.start();
  t.is(await phone.text('accounts'), ACCOUNTS.toString());
});
