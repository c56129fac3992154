import test from 'ava';
import { expectThroughput } from '../../../../scripts/testbed/benchmarks/throughput.ts';
import { Findings } from '../../../../scripts/testbed/report.ts';

const ALL = ['raw', 'idloc', 'wireguard-go', 'wireguard-go-new', 'yggdrasil'];
const GOOD: Readonly<Record<string, number>> = {
  'tcp1.raw.bbr': 25,
  'tcp1.idloc.bbr': 12,
  'tcp4.idloc.bbr': 12,
  'tcp1v4.idloc.bbr': 10.5,
  'tcp1.wireguard-go.bbr': 1,
  'tcp1.wireguard-go-new.bbr': 5,
  'tcp1.yggdrasil.bbr': 5,
};

function missed(changes: Readonly<Record<string, number | undefined>>, who = ALL): readonly string[] {
  const findings = new Findings();
  const figures = Object.entries({ ...GOOD, ...changes }).filter(
    (entry): entry is [string, number] => entry[1] !== undefined,
  );
  expectThroughput(findings, new Map(figures), who, 'bbr');
  return findings.report('').missed;
}

test('figures on their bounds miss nothing', (t) => {
  t.deepEqual(missed({}), []);
});

test('each bound of one stream can be missed alone', (t) => {
  for (const [name, value] of [
    ['tcp1.raw.bbr', 31],
    ['tcp1.wireguard-go.bbr', 1.01],
    ['tcp1.wireguard-go-new.bbr', 5.1],
    ['tcp1.yggdrasil.bbr', 5.1],
  ] as const)
    t.deepEqual(missed({ [name]: value }), ['tcp1.idloc.bbr'], name);
});

test('four streams that are slower than one, and IPv4 that is far from IPv6, are missed', (t) => {
  t.deepEqual(missed({ 'tcp4.idloc.bbr': 11.9 }), ['tcp4.idloc.bbr']);
  t.deepEqual(missed({ 'tcp1v4.idloc.bbr': 10.1 }), ['tcp1v4.idloc.bbr']);
  t.deepEqual(missed({ 'tcp1v4.idloc.bbr': 13.9 }), ['tcp1v4.idloc.bbr']);
});

test('a second AES-GCM that is not worth its place misses the bound, where it was asked for', (t) => {
  const who = [...ALL, 'idloc-openssl'];
  t.deepEqual(missed({ 'tcp1.idloc-openssl.bbr': 10.4 }, who), []);
  t.deepEqual(missed({ 'tcp1.idloc-openssl.bbr': 10.5 }, who), ['tcp1.idloc.bbr']);
  t.deepEqual(missed({ 'tcp1.idloc-openssl.bbr': 10.5 }), []);
});

test('a rival who was asked for and not measured misses the bound, one who was not asked for does not', (t) => {
  t.deepEqual(missed({ 'tcp1.yggdrasil.bbr': undefined }), ['tcp1.idloc.bbr']);
  t.deepEqual(missed({ 'tcp1.yggdrasil.bbr': undefined }, ALL.slice(0, 4)), []);
});

test('idloc itself not measured misses everything, not asked for nothing', (t) => {
  t.deepEqual(missed({ 'tcp1.idloc.bbr': undefined, 'tcp4.idloc.bbr': undefined, 'tcp1v4.idloc.bbr': undefined }), [
    'tcp1.idloc.bbr',
    'tcp4.idloc.bbr',
    'tcp1v4.idloc.bbr',
  ]);
  t.deepEqual(missed({}, ['raw', 'tinc']), []);
});
