import { handover } from '../../scripts/testbed/handover/handover.ts';
import { natMatrix } from '../../scripts/testbed/nat-matrix/nat-matrix.ts';
import { KINDS } from '../../scripts/testbed/nat-matrix/kinds.ts';
import { Findings } from '../../scripts/testbed/report.ts';
import { systemTest } from './support/system-test.ts';

systemTest(
  'the matrix of two kinds of NAT has a line for each pair, and says of each whether a direct way is there',
  async (t, lab) => {
    const findings = new Findings();
    const kinds = KINDS.filter(({ name }) => name === 'open' || name === 'eim-apdf');
    await natMatrix(lab, findings, { kinds, places: ['one-nat'] }, (text) => t.log(text));
    const { figures, missed } = findings.report('lab nat-matrix');
    t.log(figures);
    t.like(figures, { 'pairs.total': 4, 'pairs.connected': 4, 'pairs.direct': 4, 'pairs.direct_possible': 4 });
    t.true((figures['first_packet_ms.p50'] ?? NaN) > 0);
    t.false(missed.some((name) => name.startsWith('pairs')));
  },
);

systemTest('a move during a call is measured: silence, what was lost, handshakes', async (t) => {
  const findings = new Findings();
  const options = {
    moves: ['hard'],
    who: ['idloc'],
    flows: ['both_send'],
    roundTripsMs: [0],
    repetitions: 1,
    links: 0,
  } as const;
  await handover(findings, options, (text) => t.log(text));
  const { figures, notes } = findings.report('lab handover');
  t.log(figures);
  const { 'hard.both_send.idloc.gap_ms': gap = NaN, 'hard.both_send.idloc.lost': lost = NaN } = figures;
  // Two packets are 20 ms apart.
  t.true(gap >= 20 && gap < 5000, notes.join('\n'));
  t.true(lost >= 0 && lost < gap / 10, `${lost} in ${gap} ms`);
  t.is(figures['hard.both_send.idloc.handshakes'], 0);
  t.is(figures['hard.both_send.idloc.reordered'], 0);
});
