import { validityOf } from '../config/stream-certificate.ts';
import type { Result } from '../control/schemas.ts';
import type { StreamCertificateKeeper } from './stream-certificate-keeper.ts';

// Implementation constants.

/** Whoever renews certificates by a timer does so when a third of their time is left (certbot, ACME's advice). */
const LAST_PART = 1 / 6;
const LAST_DAYS_MS = 14 * 86_400_000;

/** What is wrong with the certificate that streams show, and what mends it. @param keeper undefined: there is none. */
export function streamDoctor(
  keeper: Pick<StreamCertificateKeeper, 'shown' | 'problem'> | undefined,
  wallNow: number,
): Result<'doctor'> {
  const findings: Result<'doctor'>['findings'] = [];
  if (keeper === undefined) return { topic: 'stream', findings };
  const { begins, ends } = validityOf(keeper.shown);
  const day = new Date(ends).toISOString();
  const leftMs = ends - wallNow;
  if (leftMs <= 0)
    findings.push({
      id: 'certificate-ended',
      level: 'error',
      what: `the certificate of streams ended ${day}: TURN clients over TLS refuse it`,
      mend: 'renew the files of stream.certificate_file and stream.key_file: they are taken without a restart',
    });
  if (keeper.problem !== undefined)
    findings.push({
      id: 'certificate-not-taken',
      level: 'warning',
      what: `a new certificate of streams is not taken, the one before is shown: ${keeper.problem}`,
      mend: 'have stream.certificate_file and stream.key_file hold a certificate and its key: they are taken without a restart',
    });
  if (leftMs > 0 && leftMs < Math.min(LAST_DAYS_MS, (ends - begins) * LAST_PART))
    findings.push({
      id: 'certificate-ends',
      level: 'warning',
      what: `the certificate of streams ends ${day}`,
      mend: 'look why whatever renews it has not, and renew it: it is taken without a restart',
    });
  return { topic: 'stream', findings };
}
