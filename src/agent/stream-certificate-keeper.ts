import type { Clock, Timed } from '../base/clock.ts';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { validityOf, type StreamCertificate } from '../config/stream-certificate.ts';

// Implementation constants.

/**
 * Two small files are read that often, instead of watching them: whoever renews a certificate replaces the files, the symbolic
 * links that lead there (certbot), or a directory on the way, and a watch on each of them would be left behind.
 */
const LOOK_INTERVAL_MS = 5_000;

/** Where what is accepted shows it. */
export type ShowCertificate = (certificate: StreamCertificate) => void;

/**
 * Takes a renewed certificate of streams from its files, without a restart:
 *
 *   shown ──the files hold another pair, which is right──> that one is shown
 *     ^ └──what they hold is wrong──> doubted ──the same at the next look──> refused, said once
 *     └──────────────the pair is right, or as it was─────────┴───────────────────┘
 *
 * The files are written one after the other, so what is wrong is looked at twice. Whatever happens, the last right pair stays.
 */
export class StreamCertificateKeeper implements Timed {
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly read: (shown: StreamCertificate, wallNow: number) => StreamCertificate | undefined;
  private show: ShowCertificate | undefined;
  private certificate: StreamCertificate;
  private doubted: string | undefined;
  private refused: string | undefined;
  private lookAt: number;

  /**
   * @param components.read what the files hold, if that is another; throws an IdlocError when it is wrong.
   * @param certificate what they held at the start.
   */
  constructor(
    components: {
      readonly logger: Logger;
      readonly clock: Clock;
      readonly read: (shown: StreamCertificate, wallNow: number) => StreamCertificate | undefined;
    },
    certificate: StreamCertificate,
  ) {
    this.logger = components.logger;
    this.clock = components.clock;
    this.read = components.read;
    this.certificate = certificate;
    this.lookAt = this.clock.monotonic() + LOOK_INTERVAL_MS;
  }

  /** What is shown now. */
  get shown(): StreamCertificate {
    return this.certificate;
  }

  /** Why the files are not what is shown; undefined: they are. */
  get problem(): string | undefined {
    return this.refused;
  }

  /** `shown` is shown there already; undefined: nowhere from now on. */
  showAt(show: ShowCertificate | undefined): void {
    this.show = show;
  }

  nextTimeout(): number {
    return this.lookAt;
  }

  handleTimeout(now: number): void {
    if (now < this.lookAt) return;
    this.lookAt = now + LOOK_INTERVAL_MS;
    try {
      const found = this.read(this.certificate, this.clock.wall());
      if (found !== undefined) this.take(found);
      this.doubted = this.refused = undefined;
    } catch (error) {
      if (!(error instanceof IdlocError)) throw error;
      this.refuse(messageOf(error));
    }
  }

  private take(found: StreamCertificate): void {
    this.show?.(found);
    this.certificate = found;
    this.logger.info('stream certificate renewed', { until: new Date(validityOf(found).ends).toISOString() });
  }

  private refuse(why: string): void {
    const isSaid = this.refused === why;
    const isSure = this.doubted === why;
    this.doubted = why;
    if (isSaid || !isSure) return;
    this.refused = why;
    this.logger.warn('stream certificate not renewed', { err: why });
  }
}
