import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import { ValueDatabase } from '../../../src/agent/value-database.ts';
import { silentLogger, type LogFields } from '../../../src/base/logger.ts';
import type { KeptValue, ValueChange } from '../../../src/overlay/storage/value-file.ts';

interface Disk {
  readonly path: string;
  readonly said: { readonly event: string; readonly fields: LogFields | undefined }[];
  readonly open: () => ValueDatabase;
}

/** Turns take no time. */
const STANDING = { monotonic: () => 0 };

function disk(t: ExecutionContext): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-values-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'values.db');
  const said: { event: string; fields: LogFields | undefined }[] = [];
  const logger = { ...silentLogger, warn: (event: string, fields?: LogFields) => void said.push({ event, fields }) };
  const open = (): ValueDatabase => {
    const database = new ValueDatabase({ logger, clock: STANDING }, { path, maxBytes: 1024 * 1024 });
    t.teardown(() => database.close());
    return database;
  };
  return { path, said, open };
}

function value(i: number, over: Partial<KeptValue> = {}): KeptValue {
  return {
    resource: i.toString(16).padStart(32, '0'),
    kind: 0xf0001002,
    key: '',
    packed: `value ${i} \xff`,
    chain: [Uint8Array.of(1, 2, i & 0xff), Uint8Array.of(3)],
    certificateHash: `c${i & 0xff}`,
    generation: 1n,
    expiresAt: 1_700_000_000_000 + i,
    ...over,
  };
}

/** As many as it takes at once; the rest when it has brought those to the disk. @returns how many */
async function writeAll(database: ValueDatabase, values: readonly KeptValue[]): Promise<number> {
  let taken = 0;
  for (let idle = 0; taken < values.length && idle < 3;) {
    const written = database.write(values.slice(taken, taken + 50).map(put));
    if (written === 'lost') break;
    taken += written;
    idle = written === 0 ? idle + 1 : 0;
    await database.settled();
  }
  return taken;
}

const put = (kept: KeptValue): ValueChange => ({ place: kept, value: kept });
const gone = (kept: KeptValue): ValueChange => ({ place: kept, value: undefined });

test('values are there in the next life as they were, in the order of their places, and nobody else can read the file', async (t) => {
  const { path, said, open } = disk(t);
  const first = open();
  t.deepEqual(first.read(undefined, 10), []);
  const values = [3, 1, 2].map((i) => value(i));
  const dictionary = [value(2, { key: 'bb', generation: 2n ** 64n - 1n }), value(2, { key: 'aa', generation: 7n })];
  t.is(first.write([...values, ...dictionary].map(put)), 5);
  for (const name of [path, `${path}-wal`]) t.is(statSync(name).mode & 0o777, 0o600);
  await first.close();
  const next = open();
  const page = next.read(undefined, 3);
  if (page === 'lost') return t.fail();
  t.deepEqual(
    page.map(({ resource, key }) => `${resource.slice(-1)} ${key}`),
    ['1 ', '2 ', '2 aa'],
  );
  // Those of a Kind have one counter.
  t.deepEqual(page[0], value(1));
  t.deepEqual(next.read(page[2], 3), [value(2, { key: 'bb', generation: 7n }), value(3)]);
  t.deepEqual(said, []);
});

test('a value that is replaced or removed leaves nothing in the file, nor do its certificate and its counter', async (t) => {
  const { path, open } = disk(t);
  const database = open();
  database.write([1, 2, 3].map((i) => put(value(i))));
  database.write([gone(value(1)), put(value(2, { certificateHash: 'new', packed: 'later' }))]);
  t.is(database.write([gone(value(9))]), 1);
  await database.close();
  const db = new DatabaseSync(path);
  const column = (sql: string): unknown[] =>
    db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row)[0]);
  t.deepEqual(column('SELECT certificate FROM certificates ORDER BY 1'), ['c3', 'new']);
  t.is(column('SELECT resource FROM generations').length, 2);
  t.is(column('SELECT resource FROM stored').length, 2);
  db.close();
});

test('after clear there is no file, and the next write makes one', (t) => {
  const { path, open } = disk(t);
  const database = open();
  database.write([put(value(1))]);
  database.clear();
  t.false(existsSync(path));
  t.deepEqual(database.read(undefined, 10), []);
  database.write([put(value(2))]);
  t.deepEqual(database.read(undefined, 10), [value(2)]);
});

test('what a process wrote that was killed is there', (t) => {
  const { open } = disk(t);
  const killed = open();
  killed.write([put(value(1))]);
  // It never closed it. This process holds its lock, so the files are looked at as they are.
  const { path } = disk(t);
  const copy = new ValueDatabase({ logger: silentLogger, clock: STANDING }, { path, maxBytes: 1024 * 1024 });
  const from = (killed as unknown as { options: { path: string } }).options.path;
  for (const suffix of ['', '-wal']) writeFileSync(`${path}${suffix}`, readFileSync(`${from}${suffix}`));
  t.deepEqual(copy.read(undefined, 10), [value(1)]);
  t.teardown(() => copy.close());
});

for (const [what, spoil] of [
  ['garbage', (path: string) => writeFileSync(path, 'no database at all '.repeat(1_000))],
  [
    'broken in the middle',
    (path: string) => {
      const bytes = readFileSync(path);
      bytes.fill(0xa5, 4_096);
      writeFileSync(path, bytes);
    },
  ],
  [
    'of a newer version',
    (path: string) => {
      const db = new DatabaseSync(path);
      db.exec('PRAGMA user_version = 2');
      db.close();
    },
  ],
  [
    'of another program',
    (path: string) => {
      rmSync(path);
      const db = new DatabaseSync(path);
      db.exec('CREATE TABLE letters (letter)');
      db.close();
    },
  ],
] as const)
  test(`a file that is ${what} is set aside, which is said in one line, and another one is begun`, async (t) => {
    const { path, said, open } = disk(t);
    const first = open();
    await writeAll(
      first,
      Array.from({ length: 200 }, (_, i) => value(i)),
    );
    await first.close();
    spoil(path);
    const spoilt = readFileSync(path);
    const next = open();
    const found = next.read(undefined, 16);
    t.is(found, 'lost');
    t.deepEqual(
      said.map(({ event }) => event),
      ['what this peer stored for others is not restored'],
    );
    t.is(said[0]?.fields?.['done'], `the file is set aside as ${path}.broken`);
    if (what === 'garbage') t.deepEqual(readFileSync(`${path}.broken`), spoilt);
    t.is(next.write([put(value(5))]), 1);
    t.deepEqual(next.read(undefined, 16), [value(5)]);
  });

test('a file that is full takes nothing more, which is said in one line; what is in it stays', async (t) => {
  const { path, said, open } = disk(t);
  const database = open();
  const packed = 'x'.repeat(20_000);
  const taken = await writeAll(
    database,
    Array.from({ length: 2_000 }, (_, i) => value(i, { packed })),
  );
  t.true(taken > 50 && taken < 1_000, `${taken}`);
  t.is(database.write([put(value(3_000, { packed }))]), 0);
  t.deepEqual(said, [
    { event: 'what this peer stores for others does not outlive a restart', fields: { err: 'no space', file: path } },
  ]);
  t.deepEqual(database.read(undefined, 1), [value(0, { packed })]);
});

test('where no file can be made nothing is kept, which is said in one line', (t) => {
  const said: string[] = [];
  const logger = { ...silentLogger, warn: (event: string) => void said.push(event) };
  const database = new ValueDatabase({ logger, clock: STANDING }, { path: '/proc/none/values.db', maxBytes: 1_000 });
  t.deepEqual(database.read(undefined, 10), []);
  t.is(database.write([put(value(1))]), 0);
  t.is(database.write([put(value(1))]), 0);
  database.clear();
  t.is(said.length, 1);
});

test('nothing is taken while the log is written back, and what follows afterwards; nothing after the end', async (t) => {
  const { open } = disk(t);
  const database = open();
  const values = Array.from({ length: 300 }, (_, i) => value(i));
  t.is(database.write(values.slice(0, 128).map(put)), 128);
  t.is(database.write(values.slice(128).map(put)), 0);
  await database.settled();
  t.is(database.write(values.slice(128).map(put)), 172);
  await database.close();
  t.is(database.write([put(value(1))]), 0);
  t.deepEqual(open().read(undefined, 1_000), values);
});

test('what does not fit into one turn is left to the next', (t) => {
  const { path } = disk(t);
  let now = 0;
  const clock = { monotonic: () => (now += 0.5) };
  const database = new ValueDatabase({ logger: silentLogger, clock }, { path, maxBytes: 1024 * 1024 });
  t.teardown(() => database.close());
  const changes = Array.from({ length: 50 }, (_, i) => put(value(i)));
  const taken = database.write(changes);
  if (taken === 'lost') return t.fail();
  t.true(taken > 0 && taken < 10, `${taken}`);
  t.is(database.read(undefined, 100).length, taken);
});
