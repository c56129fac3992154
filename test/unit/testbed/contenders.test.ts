import test from 'ava';
import { chosenContenders, knownContenders } from '../../../scripts/testbed/contenders.ts';

test("without anything in the environment the fixed ones are known, today's wireguard-go among them", (t) => {
  const known = [...knownContenders({}).keys()];
  t.deepEqual(known.slice(0, 5), ['raw', 'idloc', 'idloc-openssl', 'wireguard-go', 'wireguard-go-new']);
  t.deepEqual(
    known.filter((who) => who.endsWith('-new')),
    ['wireguard-go-new'],
  );
});

test('a binary that the environment names is measured beside its family, an unknown family last', (t) => {
  const environment = {
    IDLOC_BENCH_WIREGUARD_GO: '/tmp/wg',
    IDLOC_BENCH_GOTATUN: '/tmp/gotatun',
    IDLOC_BENCH_EMPTY: '',
    IDLOC_BENCH_: '/x',
    IDLOC_COMPILED: '1',
  };
  const known = [...knownContenders(environment).keys()];
  t.is(known.indexOf('wireguard-go-new'), known.indexOf('wireguard-go') + 1);
  t.is(known.at(-1), 'gotatun-new');
  t.is(new Set(known).size, known.length);
  t.is(known.length, knownContenders({}).size + 1);
});

test('--who chooses in the order of the table and refuses a name that nobody has', (t) => {
  const known = new Map(['raw', 'idloc', 'idloc-openssl', 'tinc'].map((who) => [who, undefined]));
  t.deepEqual(chosenContenders(undefined, known), ['raw', 'idloc', 'tinc']);
  t.deepEqual(chosenContenders('idloc,raw', known), ['raw', 'idloc']);
  t.deepEqual(chosenContenders('idloc-openssl,idloc', known), ['idloc', 'idloc-openssl']);
  t.throws(() => chosenContenders('idloc,bob', known), { message: /"bob"/ });
  t.throws(() => chosenContenders(',', known), { message: /--who takes raw,idloc,idloc-openssl,tinc/ });
});
