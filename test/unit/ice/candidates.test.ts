import { readFileSync } from 'node:fs';
import test from 'ava';
import { isAllocationAddress, toAllocationAddress } from '../../../src/base/allocation-address.ts';
import type { CandidateType } from '../../../src/base/candidate.ts';
import { canPair, pairPriority } from '../../../src/ice/candidate-pair.ts';
import {
  baseOf,
  bestOfEachBase,
  candidatePriority,
  formFoundation,
  hostCandidates,
  reflexiveCandidate,
  relayedCandidate,
} from '../../../src/ice/candidates.ts';

interface IceVectors {
  readonly candidate_priority: readonly {
    readonly type: CandidateType;
    readonly local_preference: number;
    readonly priority: number;
  }[];
  readonly pair_priority: readonly {
    readonly G_controlling: number;
    readonly D_controlled: number;
    readonly priority: string;
  }[];
}

const vectors = JSON.parse(readFileSync(new URL('../../vectors/ice/ice.json', import.meta.url), 'utf8')) as IceVectors;

test('priorities of candidates and pairs follow the formulas of RFC 8445', (t) => {
  for (const { type, local_preference, priority } of vectors.candidate_priority)
    t.is(candidatePriority(type, local_preference), priority);
  for (const { G_controlling, D_controlled, priority } of vectors.pair_priority)
    t.is(pairPriority(G_controlling, D_controlled), BigInt(priority));
});

test('host candidates take turns between the families, IPv6 first, without link-local addresses', (t) => {
  const made = hostCandidates(
    ['192.0.2.1', '192.0.2.2', '192.0.2.3', 'fe80::1', '2001:db8::1', '169.254.7.7', '2001:db8::2', '192.0.2.1'],
    6084,
  );
  t.deepEqual(
    made.map((candidate) => candidate.address.address),
    ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2', '192.0.2.3'],
  );
  t.true(made.every((candidate, i) => candidate.priority === 2130706431 - 256 * i));
  t.true(made.every(({ foundation }) => /^[A-Za-z0-9+/]{1,32}$/.test(foundation)));
  t.is(new Set(made.map((candidate) => candidate.foundation)).size, made.length);
});

test('a reflexive candidate leaves from its base and ranks among its kind as the base does', (t) => {
  const [first, second] = hostCandidates(['10.0.0.2', '10.0.1.2'], 6084);
  t.truthy(first);
  t.truthy(second);
  if (first === undefined || second === undefined) return;
  const mapped = { address: '198.51.100.1', port: 40000 };
  const reflexive = reflexiveCandidate(second, mapped, '192.0.2.1');
  t.is(reflexive.priority, candidatePriority('srflx', 65534));
  t.deepEqual(baseOf(reflexive), second.address);
  t.is(reflexive.foundation, formFoundation('srflx', '10.0.1.2', '192.0.2.1'));
  t.deepEqual([...bestOfEachBase([reflexive, first, second]).values()], [second, first]);
});

test('addresses that cannot reach one another, or nobody, are not paired', (t) => {
  const at = (address: string, port = 1): { address: string; port: number } => ({ address, port });
  t.true(canPair(at('192.0.2.1'), at('203.0.113.1')));
  t.true(canPair(at('2001:db8::1'), at('2001:db8::2')));
  t.true(canPair(at('127.0.0.1'), at('127.0.0.1')));
  t.false(canPair(at('192.0.2.1'), at('2001:db8::2')));
  t.false(canPair(at('192.0.2.1'), at('127.0.0.1')));
  t.false(canPair(at('192.0.2.1'), at('203.0.113.1', 0)));
  for (const nobody of ['0.0.0.0', '224.0.0.1', '255.255.255.255', '169.254.1.1'])
    t.false(canPair(at('192.0.2.1'), at(nobody)), nobody);
  for (const nobody of ['::', 'ff02::1', 'fe80::1', '::1']) t.false(canPair(at('2001:db8::1'), at(nobody)), nobody);
});

test('from a relayed address hosts of its family are checked, private ones only where it is private itself', (t) => {
  const on = (relayed: string) => ({ address: toAllocationAddress({ address: relayed, port: 49_152 }), port: 6_084 });
  const to = (address: string, port = 6_084) => ({ address, port });
  t.true(canPair(on('203.0.113.1'), to('198.51.100.1')));
  for (const nobody of ['192.168.1.2', '100.64.0.1', '127.0.0.1', '169.254.0.1', '224.0.0.1', '2001:db8::1'])
    t.false(canPair(on('203.0.113.1'), to(nobody)), nobody);
  t.false(canPair(on('203.0.113.1'), to('198.51.100.1', 0)));
  t.true(canPair(on('192.168.1.1'), to('192.168.1.2')));
  t.false(canPair(to('2001:db8::1'), on('203.0.113.1')));
  t.true(canPair(on('2001:db8::7'), to('2001:db8::1')));
  t.true(canPair(on('fd00::7'), to('fd00::1')));
  for (const nobody of ['203.0.113.1', 'fd00::1', '::1', 'fe80::1', 'ff02::1'])
    t.false(canPair(on('2001:db8::7'), to(nobody)), nobody);
});

test('a relayed candidate goes before those of members, and is sent from what stands for the allocation', (t) => {
  const relayed = { address: '203.0.113.1', port: 49_152 };
  const base = { address: toAllocationAddress(relayed), port: 6_084 };
  const candidate = relayedCandidate(relayed, base, 0);
  const others = [
    { ...relayed, port: 49_153 },
    { address: '2001:db8::1', port: 49_152 },
    { address: '2001:db8::1', port: 49_153 },
  ];
  t.is(new Set([relayed, ...others].map(toAllocationAddress)).size, 4);
  t.true([relayed, ...others].every((address) => isAllocationAddress(toAllocationAddress(address))));
  t.deepEqual(baseOf(candidate), base);
  t.true(candidate.priority > relayedCandidate(relayed, base, 1).priority);
  t.true(candidate.priority > candidatePriority('relay', 16));
  t.true(candidate.priority < candidatePriority('srflx', 0));
});
