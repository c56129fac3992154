import type { OverlayError } from '../overlay/errors.ts';

/** What an overlay answers. */
export type Answer<T> = (T & { readonly ok: true }) | { readonly ok: false; readonly error: OverlayError };

interface Ports<N> {
  /** Undefined: we are not in it. */
  readonly overlay: N | undefined;
  readonly run: (input: (now: number) => void) => unknown;
}

/** The overlay by a promise, which rejects with an OverlayError, or because we are not in it. */
export function askOverlay<N, T>(
  { overlay, run }: Ports<N>,
  request: (overlay: N, now: number, done: (answer: Answer<T>) => void) => void,
): Promise<T & { readonly ok: true }> {
  return new Promise((resolve, reject) => {
    if (overlay === undefined) reject(new Error('this host is not in the overlay now'));
    else
      run((now) => {
        request(overlay, now, (answer) => {
          if (answer.ok) resolve(answer);
          else reject(answer.error);
        });
      });
  });
}
