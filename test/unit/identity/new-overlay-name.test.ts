import test from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { checkNewOverlayName } from '../../../src/identity/new-overlay-name.ts';

test('an overlay takes no name below which others have theirs', (t) => {
  for (const name of ['co.uk', 'github.io', 'home.arpa', 'com.br'])
    t.throws(
      () => checkNewOverlayName(name),
      { instanceOf: IdlocError, message: new RegExp(`such as home.${name}`) },
      name,
    );
});

test('an overlay takes no single label and nothing that is no name', (t) => {
  for (const name of ['com', 'internal', 'localhost', 'a_b.example', '', 'A.example', '10.0.0.1', 'x'.repeat(300)]) {
    const error = t.throws(() => checkNewOverlayName(name), { instanceOf: IdlocError, code: 'bad_overlay' }, name);
    t.true(error.message.length < 250 && !error.message.includes('\n'));
  }
});

test('a registered name, a private one and one below them may be an overlay', (t) => {
  for (const name of ['example.com', 'bbc.co.uk', 'home.internal', 'smith.home.arpa', 'home.local', 'a.b.home.example'])
    t.notThrows(() => checkNewOverlayName(name), name);
});
