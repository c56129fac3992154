import test from 'ava';
import { directWay } from '../../../scripts/testbed/nat-matrix/direct-way.ts';
import { CARRIER_NAT, KINDS, type Kind } from '../../../scripts/testbed/nat-matrix/kinds.ts';

function kind(name: string): Kind {
  const found = KINDS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no kind is called ${name}`);
  return found;
}

const isPossible = (one: string, two: string): boolean => directWay(kind(one), kind(two)).isPossible;

test('who calls whom makes no difference', (t) => {
  for (const one of KINDS)
    for (const two of KINDS)
      t.is(directWay(one, two).isPossible, directWay(two, one).isPossible, `${one.name}, ${two.name}`);
});

test('mappings that do not depend on the destination meet, whatever their filters', (t) => {
  const known = ['open', 'firewall', 'eim-eif', 'eim-adf', 'eim-apdf', 'two-nats'];
  for (const one of known) for (const two of known) t.true(isPossible(one, two), `${one}, ${two}`);
});

test('a port that nobody knows gets past filters of addresses, not past those of ports', (t) => {
  for (const unknown of ['adm-eif', 'apdm-apdf', 'random']) {
    for (const lax of ['open', 'eim-eif', 'eim-adf']) t.true(isPossible(unknown, lax), `${unknown}, ${lax}`);
    for (const strict of ['firewall', 'eim-apdf', 'two-nats'])
      t.false(isPossible(unknown, strict), `${unknown}, ${strict}`);
  }
});

test('two unknown ports meet when neither filter asks for ports and one of them stays', (t) => {
  t.true(isPossible('adm-adf', 'adm-eif'));
  t.true(isPossible('adm-adf', 'apdm-adf'));
  t.false(isPossible('apdm-eif', 'apdm-eif'));
  t.false(isPossible('adm-apdf', 'adm-eif'));
});

test('in one LAN always, behind one carrier without hairpin never; nowhere without UDP', (t) => {
  const home: Kind = { name: 'home', routers: [CARRIER_NAT] };
  t.true(directWay(home, home, 'behind one NAT').isPossible);
  t.false(directWay(home, home, 'behind one carrier').isPossible);
  const { isPossible: possible, why } = directWay(kind('open'), kind('no-udp'));
  t.false(possible);
  t.is(why, 'UDP does not pass no-udp');
});
