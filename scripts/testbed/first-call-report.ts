import type { CallResult } from './call.ts';
import type { FirstCall } from './first-call.ts';
import { Findings, table } from './report.ts';
import type { RtpDirection } from './rtp-stream.ts';

/** Nine of ten packets that a phone at 50 a second has to send in 10 s. */
const LEAST_SENT_PER_DIRECTION = 450;
const MOST_LOST_SHARE = 0.01;
const MOST_GAP_MS = 1000;
const RTP_PER_SECOND = 50;
/** Silence is 0; the speech that the phones play is 0.1. */
const LEAST_LOUDNESS = 0.02;
/** Of the four that are spoken. */
const LEAST_MESSAGE_SECONDS = 2;

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

/** The figures of the contract, and which bound was missed. */
export function judgeFirstCall(call: FirstCall): Findings {
  const findings = new Findings();
  for (const [name, result] of [
    ['call.v6', call.v6],
    ['call.v4', call.v4],
  ] as const) {
    findings.figure(`${name}.sent`, result.forth.sent + result.back.sent);
    findings.figure(`${name}.received`, result.forth.received + result.back.received);
    judgeCall(findings, name, result, name === 'call.v4');
  }
  findings.figure('setup_ms', call.v6.setup.totalMs);
  const { rang, answered } = call.v4.otherPhone;
  findings.expect('call.v4.phones', rang === 1 && answered === 0, 'both phones of the callee ring, and one answers');
  const gap = Math.max(call.v4.gapAfterHalfMs.atCallee, call.v4.gapAfterHalfMs.atCaller);
  findings.figure('move.gap_ms', gap, 1);
  findings.expect('move.gap_ms', gap <= MOST_GAP_MS, `at most ${MOST_GAP_MS}`);
  findings.figure('move.handshakes', call.move.handshakes);
  findings.expect('move.handshakes', call.move.handshakes === 0, 'the association is kept: 0 new handshakes');
  findings.expect(
    'move.noticed',
    call.v4.renegotiations === 0 && call.v6.renegotiations === 0,
    'no phone sends a second offer',
  );
  const direct = call.pathBefore.direct && call.pathAfter.direct;
  findings.figure('path.direct', direct ? 1 : 0);
  findings.expect('path.direct', direct, 'the phones talk on the direct path between the two homes');
  judgeMessage(findings, call);
  for (const [name, status] of Object.entries(call.stopped))
    findings.expect(`stop.${name}`, status === 0, `the agent ends with 0 when asked to; it was ${String(status)}`);
  return findings;
}

function judgeMessage(findings: Findings, { voiceMail, overlay }: FirstCall): void {
  const { phones, greetingLoudness, message, shownMs } = voiceMail;
  findings.figure('message.shown_ms', shownMs, 0);
  findings.figure('message.seconds', message.seconds, 1);
  findings.expect(
    'message.phones',
    phones.every(({ rang, answered }) => rang === 1 && answered === 0),
    'all phones of the callee ring, and none is answered',
  );
  findings.expect('message.greeting', greetingLoudness >= LEAST_LOUDNESS, 'the caller hears a greeting');
  findings.expect('message.from', message.from === `alice@${overlay}`, 'the message says who has left it');
  findings.expect(
    'message.heard',
    message.loudness >= LEAST_LOUDNESS && message.seconds >= LEAST_MESSAGE_SECONDS,
    `at least ${LEAST_MESSAGE_SECONDS} s of speech`,
  );
}

function judgeCall(findings: Findings, name: string, result: CallResult, moves: boolean): void {
  const mayBeLost = moves ? (MOST_GAP_MS / 1000) * RTP_PER_SECOND : 0;
  for (const direction of [result.forth, result.back]) {
    findings.expect(
      `${name}.sent`,
      direction.sent >= LEAST_SENT_PER_DIRECTION,
      `at least ${LEAST_SENT_PER_DIRECTION} a direction through the overlay interface`,
    );
    findings.expect(
      `${name}.received`,
      direction.lost <= mayBeLost + MOST_LOST_SHARE * direction.sent,
      `at most ${MOST_LOST_SHARE * 100} % lost${moves ? ' beside a second of the move' : ''}`,
    );
  }
  const heard = Math.min(result.loudness.atCallee, result.loudness.atCaller);
  findings.expect(`${name}.heard`, heard >= LEAST_LOUDNESS, 'both phones hear speech');
}

/** What a person reads. */
export function describeFirstCall(call: FirstCall): string {
  const { peer, alice, bob } = call.hosts;
  const nameOf = (hit: string): string =>
    [peer, alice, bob].find((status) => status.hit === hit)?.name?.split('.')[0] ?? hit;
  const hosts = [
    ['', 'name', 'HIT (IPv6)', 'IPv4', 'role', 'NAT mapping', 'seen as'],
    ...[peer, alice, bob].map((status) => [
      '',
      status.name ?? '-',
      status.hit,
      status.ipv4 ?? '-',
      status.role,
      status.nat.mapping,
      status.nat.mapped.join(', ') || '-',
    ]),
  ];
  const said = call.resolution.saidBy.map(
    (answer) =>
      `${nameOf(answer.responder)} answered, signed by ${nameOf(answer.signer)}, ${answer.ageS.toFixed(0)} s old`,
  );
  const path = (ping: FirstCall['pathBefore']): string =>
    ping.path === null
      ? `none: ${ping.why}`
      : `${ping.path.local} -> ${ping.path.remote} (${ping.path.type}), ${ping.direct ? 'direct' : 'relayed'}`;
  const whys = [...new Set([call.pathBefore, call.pathAfter].map(({ why }) => why))];
  const { setup } = call.v6;
  const { move, v4, voiceMail } = call;
  const heard = (loudness: number): string => (loudness >= LEAST_LOUDNESS ? 'speech' : 'silence');
  return [
    `Overlay ${call.overlay}`,
    table(hosts.map((row) => row.slice(1))),
    ...(said.length > 0 ? said : ['known without asking']).map((line) => `  ${call.resolution.target}: ${line}`),
    '',
    'First call: by the name of the host; set-up as the phone sees it',
    table([
      ['name -> HIT', ms(setup.nameToHitMs), 'first DNS question to last answer'],
      ['HIT -> link', ms(setup.hitToLinkMs), 'INVITE leaves the phone to first protected packet between the homes'],
      ['first packet', ms(setup.firstPacketMs), "to the other phone's first answer"],
      ['together', ms(setup.totalMs), ''],
    ]),
    '',
    'Second call: phones with an account, domain and password, which have registered by themselves; alice moves',
    table([
      ['both phones of bob ring', `${ms(v4.ringsMs)} after alice has dialled his name in the overlay`],
      ['the other one', v4.otherPhone.rang === 1 ? 'rang until the first was answered' : 'did not ring'],
      ['from', move.from],
      ['to', `${move.to}; ${ms(move.withoutNetworkMs)} without any network`],
      ['silence', `${ms(v4.gapAfterHalfMs.atCallee)} at bob, ${ms(v4.gapAfterHalfMs.atCaller)} at alice`],
      ['new handshakes', String(move.handshakes)],
      ['noticed by the phones', v4.renegotiations === 0 ? 'no' : `${v4.renegotiations} new offers`],
      ['path before', path(call.pathBefore)],
      ['path after', path(call.pathAfter)],
      ...whys.map((why) => ['', why]),
    ]),
    '',
    'Speech (RTP packets on the overlay interfaces)',
    table([
      ['call', 'direction', 'sent', 'received', 'lost', 'jitter', 'longest gap', 'heard'],
      ...directions('first, IPv6', call.v6),
      ...directions('second, IPv4', v4),
    ]),
    '',
    'Third call: nobody answers',
    table([
      ['both phones of bob', `rang for ${(voiceMail.rangMs / 1000).toFixed(1)} s`],
      ['greeting at alice', heard(voiceMail.greetingLoudness)],
      ['message at bob', `${heard(voiceMail.message.loudness)}, ${ms(voiceMail.shownMs)} after alice has hung up`],
    ]),
    '  $ idloc voicemail list',
    ...voiceMail.list
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
    '',
  ].join('\n');
}

function directions(label: string, result: CallResult): string[][] {
  const row = (name: string, direction: RtpDirection, loudness: number): string[] => [
    label,
    name,
    String(direction.sent),
    String(direction.received),
    String(direction.lost),
    ms(direction.jitterMs),
    ms(direction.longestGapMs),
    loudness >= LEAST_LOUDNESS ? 'speech' : 'silence',
  ];
  return [
    row('alice -> bob', result.forth, result.loudness.atCallee),
    row('bob -> alice', result.back, result.loudness.atCaller),
  ];
}
