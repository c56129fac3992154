import { INITIAL_WINDOW, MAX_WINDOW } from './constants.ts';

/** How many frames may be under way, by additive increase and multiplicative decrease (RFC 5681, which RFC 5405 s3.1 asks for). */
export class CongestionWindow {
  private frames = INITIAL_WINDOW;
  private threshold = MAX_WINDOW;

  get size(): number {
    return Math.floor(this.frames);
  }

  acknowledged(): void {
    this.frames = Math.min(MAX_WINDOW, this.frames + (this.frames < this.threshold ? 1 : 1 / this.frames));
  }

  /** A frame was lost, others arrive. Called once for those that were under way together. */
  lost(): void {
    this.threshold = Math.max(2, this.frames / 2);
    this.frames = this.threshold;
  }

  /** Nothing was acknowledged for a whole timeout. */
  timedOut(): void {
    this.threshold = Math.max(2, this.frames / 2);
    this.frames = 1;
  }

  /** Another path. */
  reset(): void {
    this.frames = INITIAL_WINDOW;
    this.threshold = MAX_WINDOW;
  }
}
