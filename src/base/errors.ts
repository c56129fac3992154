/** Base of every error that idloc raises on purpose. The message says what failed, why, and what to do, in one line. */
export class IdlocError extends Error {
  /** Stable, for programs: `bad_ticket`, `port_in_use`, ... */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Thrown by decoders only: the bytes do not follow the format. The dispatcher counts it, logs it at debug level and drops. */
export class MalformedMessageError extends IdlocError {
  /** Bytes from the start of the message. */
  readonly offset: number;
  readonly reason: string;

  constructor(offset: number, reason: string) {
    super('malformed_message', `malformed message at offset ${offset}: ${reason}`);
    this.offset = offset;
    this.reason = reason;
  }
}

/** The one line a person should read for any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Takes what no code expected to be thrown: a bug, that ends what was asked and nothing else. */
export type ReportError = (what: string, error: unknown) => void;

/** Where an event enters from elsewhere: what is thrown in there ends that event. @returns whether it ran to its end. */
export function reporting(report: ReportError, what: string, event: () => void): boolean {
  try {
    event();
    return true;
  } catch (error) {
    report(what, error);
    return false;
  }
}
