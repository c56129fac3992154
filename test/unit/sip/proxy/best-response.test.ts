import test from 'ava';
import { headerValues } from '../../../../src/sip/message/headers.ts';
import { bestResponse } from '../../../../src/sip/proxy/best-response.ts';
import { request, response } from '../../../sim/sip/messages.ts';

const INVITE = request('INVITE');

const CASES: readonly (readonly [readonly number[], number, boolean?])[] = [
  [[486], 486],
  [[404, 302], 302],
  [[500, 486], 486],
  [[302, 603, 401], 603],
  [[603, 600], 603],
  [[404, 407], 407],
  [[486, 415], 415],
  [[480, 486], 486],
  [[408, 480], 480],
  [[487, 408], 487],
  [[486, 487], 487, true],
  [[603, 487], 603, true],
  [[503], 500],
  [[503, 501], 501],
  [[503, 408], 408],
  [[503, 407, 501, 404], 407],
];
for (const [statuses, best, isCancelled = false] of CASES)
  test(`of ${statuses.join(', ')}${isCancelled ? ', the call being cancelled' : ''}: ${best}`, (t) => {
    t.is(
      bestResponse(
        statuses.map((status) => response(INVITE, status)),
        isCancelled,
      )?.status,
      best,
    );
  });

test('of none there is no best one', (t) => {
  t.is(bestResponse([], false), undefined);
});

test('401 and 407 together: the caller has all challenges, as they came; a 404 has none', (t) => {
  const challenge = (name: string, realm: string) => ({ name, value: `Digest realm="${realm}", nonce="1"` });
  const best = bestResponse(
    [
      response(INVITE, 407, { headers: [challenge('Proxy-Authenticate', 'a')] }),
      response(INVITE, 401, { headers: [challenge('WWW-Authenticate', 'b'), challenge('WWW-Authenticate', 'c')] }),
      response(INVITE, 404, { headers: [challenge('WWW-Authenticate', 'd')] }),
    ],
    false,
  );
  if (best === undefined) return void t.fail();
  t.is(best.status, 407);
  t.deepEqual(headerValues(best, 'proxy-authenticate'), ['Digest realm="a", nonce="1"']);
  t.deepEqual(headerValues(best, 'www-authenticate'), ['Digest realm="b", nonce="1"', 'Digest realm="c", nonce="1"']);
});
