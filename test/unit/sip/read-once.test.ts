import test from 'ava';
import { readOnce } from '../../../src/sip/message/read-once.ts';

function counting(): {
  readonly read: (text: string) => { readonly text: string } | undefined;
  readonly count: () => number;
} {
  let count = 0;
  const read = readOnce((text: string) => {
    count += 1;
    return text.startsWith('no') ? undefined : { text };
  });
  return { read, count: () => count };
}

test('a text is read once, and again after a thousand others; what is none is read each time', (t) => {
  const { read, count } = counting();
  t.is(read('a'), read('a'));
  t.is(count(), 1);
  for (let index = 0; index < 1_024; index += 1) read(`${index}`);
  t.deepEqual(read('a'), { text: 'a' });
  t.is(count(), 1 + 1_024 + 1);
  t.is(read('none'), undefined);
  t.is(read('none'), undefined);
  t.is(count(), 1 + 1_024 + 1 + 2);
});

test('what is asked for again and again stays, whatever else comes', (t) => {
  const { read, count } = counting();
  for (let index = 0; index < 10_000; index += 1) {
    read(`${index}`);
    if (index % 100 === 0) read('a');
  }
  t.is(count(), 10_000 + 1);
});

test('a long text, and one beyond Latin-1, is read as it is, and not remembered', (t) => {
  const { read, count } = counting();
  for (const text of ['x'.repeat(257), 'работающий', '\udc80']) {
    t.deepEqual(read(text), { text });
    t.deepEqual(read(text), { text });
  }
  t.is(count(), 6);
});
