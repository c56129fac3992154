import test from 'ava';
import { CallBook } from '../../../../src/sip/trunk/call-book.ts';

function bench(): { book: CallBook<number>; lines: Map<number, string>; made: number[]; changes: () => number } {
  const lines = new Map<number, string>();
  const made: number[] = [];
  let changes = 0;
  const book = new CallBook<number>({
    ports: {
      lineOf: (call) => {
        made.push(call);
        return lines.get(call);
      },
      changed: () => void (changes += 1),
    },
  });
  return { book, lines, made, changes: () => changes };
}

test('a line is made when something was said in its call, and it is another book only when the line is another one', (t) => {
  const { book, lines, made, changes } = bench();
  lines.set(1, 'one\n');
  book.touch(1, 0);
  book.touch(1, 10);
  t.is(book.nextTimeout(), 50);
  book.handleTimeout(50);
  t.deepEqual([made.length, changes()], [1, 1]);
  t.is(book.nextTimeout(), undefined);
  book.touch(1, 100);
  book.touch(2, 100);
  book.handleTimeout(150);
  t.deepEqual([made.length, changes()], [3, 1], 'the same line, and none');
  lines.set(1, 'another\n');
  book.touch(1, 200);
  book.handleTimeout(250);
  t.is(changes(), 2);
  t.deepEqual([...book.pieces()], ['another\n']);
  book.forget(2);
  t.is(changes(), 2);
  book.forget(1);
  t.is(changes(), 3);
  t.deepEqual([...book.pieces()], []);
});

test('of many calls a few lines are made in a turn, and what is left is due at once', (t) => {
  const { book, lines, made } = bench();
  for (let call = 0; call < 100; call += 1) {
    lines.set(call, `${call}\n`);
    book.touch(call, 0);
  }
  const turns: number[] = [];
  for (let now = 50; book.nextTimeout() !== undefined; now += 1) {
    t.true((book.nextTimeout() ?? Infinity) <= now);
    const before = made.length;
    book.handleTimeout(now);
    turns.push(made.length - before);
  }
  t.deepEqual(turns, [32, 32, 32, 4]);
  t.deepEqual(
    [...book.pieces()].map((piece) => piece.split('\n').length - 1),
    [32, 32, 32, 4],
  );
});

test('the text is of the calls as they are when their piece is taken', (t) => {
  const { book, lines, made } = bench();
  for (let call = 0; call < 40; call += 1) {
    lines.set(call, `${call}\n`);
    book.touch(call, 0);
  }
  const pieces = book.pieces();
  pieces.next();
  t.is(made.length, 32);
  lines.set(39, 'another\n');
  book.forget(38);
  t.is(pieces.next().value, '32\n33\n34\n35\n36\n37\nanother\n');
});
