import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { ECHO_TIMEOUT_MS, MAX_ECHOES } from '../../../src/link/constants.ts';
import { Echoes } from '../../../src/link/echoes.ts';

function reply(request: Uint8Array | undefined): Uint8Array {
  return Uint8Array.of(0x21, ...(request ?? []).slice(1));
}

test('an answer tells the time since the request', (t) => {
  const echoes = new Echoes(seededRandom(1));
  const results: (number | undefined)[] = [];
  const request = echoes.start(100, (rttMs) => results.push(rttMs));
  t.is(request?.[0], 0x20);
  echoes.answered(reply(request), 112);
  echoes.answered(reply(request), 113);
  t.deepEqual(results, [12]);
  t.is(echoes.nextTimeout(), undefined);
});

test('without an answer it ends with nothing', (t) => {
  const echoes = new Echoes(seededRandom(1));
  const results: (number | undefined)[] = [];
  echoes.start(0, (rttMs) => results.push(rttMs));
  t.is(echoes.nextTimeout(), ECHO_TIMEOUT_MS);
  echoes.handleTimeout(ECHO_TIMEOUT_MS);
  t.deepEqual(results, [undefined]);
});

test('a made-up answer is for nobody, too many requests are not made', (t) => {
  const echoes = new Echoes(seededRandom(1));
  echoes.answered(Uint8Array.of(0x21, 1, 2, 3), 0);
  for (let i = 0; i < MAX_ECHOES; i++) t.truthy(echoes.start(0, () => {}));
  t.is(
    echoes.start(0, () => {}),
    undefined,
  );
});
