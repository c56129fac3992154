import test from 'ava';
import { Guests } from '../../../src/agent/guests.ts';
import { type LogFields, silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { NodeCertificate } from '../../../src/identity/certificate.ts';
import { encodeEnrollmentAnswer } from '../../../src/identity/enrollment-message.ts';
import { encodeCertificateMessage } from '../../../src/membership/certificate-message.ts';
import { encodeEnrollmentExchange } from '../../../src/membership/enrollment-exchange.ts';

const GUEST = '20010022000000000000000000000002';
const OVERLAY = 'home.example';
const SPKI = Buffer.from('the key of its link');
const BYTES = Buffer.from('bytes');

const answerOf = (refusal: string | undefined): Uint8Array =>
  encodeEnrollmentAnswer(
    refusal === undefined
      ? { issued: true, certificates: [BYTES, BYTES], secret: null, configuration: BYTES }
      : { issued: false, certificates: [BYTES], refusal: 'failed_authentication', text: refusal },
    () => BYTES,
  );

/** Whoever lets hosts in answers a newcomer so. @returns the log, and how many answers were sent. */
function asked(answer: Uint8Array | undefined, spki: Uint8Array = SPKI): { lines: unknown[]; sent: number } {
  const lines: unknown[] = [];
  let sent = 0;
  const line =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      void lines.push([level, event, fields]);
  const guests = new Guests(
    {
      links: { send: () => (sent += 1) > 0, certificateOf: () => ({ spki: SPKI }) as unknown as NodeCertificate },
      membership: {
        lapsed: false,
        answerGuest: (_request, _inviter, now, done) => done(answer, now),
        requestAsGuest: () => BYTES,
        noticeFor: () => undefined,
      },
      timeIsKnown: () => true,
      random: seededRandom(1),
      logger: { ...silentLogger, info: line('info'), warn: line('warn') },
      answered: () => undefined,
    },
    { overlay: OVERLAY },
  );
  const request = encodeCertificateMessage({ type: 'enroll', spki, request: BYTES });
  guests.answer(
    GUEST,
    encodeEnrollmentExchange('exp_a_req', request, { overlay: OVERLAY, transactionId: 1n, to: GUEST }),
    0,
  );
  return { lines, sent };
}

test('the log says of each newcomer whether it was let in, and if not why', (t) => {
  t.deepEqual(asked(answerOf(undefined)), { lines: [['info', 'newcomer admitted', { nodeId: GUEST }]], sent: 1 });
  const reason = 'the ticket was used by another host';
  t.deepEqual(asked(answerOf(reason)), { lines: [['warn', 'newcomer refused', { nodeId: GUEST, reason }]], sent: 1 });
  t.deepEqual(asked(undefined), {
    lines: [['warn', 'guest not answered', { nodeId: GUEST, reason: 'no inviter answers' }]],
    sent: 0,
  });
});

test('whoever asks for another key than that of its link is not answered', (t) => {
  t.deepEqual(asked(answerOf(undefined), Buffer.from('another key')), { lines: [], sent: 0 });
});
