import { IdlocError } from '../base/errors.ts';
import { ERROR_CODES } from '../reload/index.ts';

type ErrorName = keyof typeof ERROR_CODES;

const NAMES = new Map<number, ErrorName>(
  (Object.entries(ERROR_CODES) as [ErrorName, number][]).map(([name, code]) => [code, name]),
);

/** A request to the overlay failed. `code` is the RFC's name of the error in lower case, `errorCode` its number. */
export class OverlayError extends IdlocError {
  /** RFC 6940 s14.9. */
  readonly errorCode: number;
  /** error_info as it came. */
  readonly info: Uint8Array;

  constructor(errorCode: number, message: string, info: Uint8Array = new Uint8Array()) {
    super(NAMES.get(errorCode) ?? 'overlay_error', message);
    this.errorCode = errorCode;
    this.info = info;
  }
}

/** Thrown or handed out when no answer came within the lifetime of a request. */
export class OverlayTimeoutError extends OverlayError {
  constructor(what: string) {
    super(ERROR_CODES.request_timeout, `no answer to ${what} within 15 s: the node may be offline; try again`);
  }
}

/** Handed out when this node is in no overlay, or is leaving it. */
export class NotJoinedError extends OverlayError {
  constructor() {
    super(ERROR_CODES.incompatible_with_overlay, 'not in the overlay (yet): wait until the state is "joined"');
  }
}

/** Handed out when too much is under way at once. */
export class OverlayBusyError extends OverlayError {
  constructor(what: string) {
    super(ERROR_CODES.request_timeout, `too many ${what} at once; try again later`);
  }
}

/** What another node answered. */
export function remoteError(errorCode: number, info: Uint8Array, what: string): OverlayError {
  const name = NAMES.get(errorCode) ?? `error ${errorCode}`;
  return new OverlayError(errorCode, `${what} was refused: ${name}`, info);
}
