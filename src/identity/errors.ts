import { IdlocError } from '../base/errors.ts';

/** Thrown when a certificate is malformed, does not hold together, or is not trusted in this overlay. */
export class CertificateError extends IdlocError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad_certificate', message, options);
  }
}

/** Thrown when a ticket cannot be read or used; the message is the line that the person who pasted it should see. */
export class TicketError extends IdlocError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad_ticket', message, options);
  }
}

/**
 * RFC 6940 s11.3: tokens of refusal (bad_CSR is written in lower case). Ours: `not_authority`, this node cannot issue;
 * `cannot_write`, it could if there were room on its disk, or in the overlay: to be tried again later.
 */
export const ENROLLMENT_REFUSALS = [
  'failed_authentication',
  'username_not_available',
  'bad_csr',
  'not_authority',
  'cannot_write',
] as const;
export type EnrollmentRefusal = (typeof ENROLLMENT_REFUSALS)[number];

/** Thrown when the authority refuses a newcomer, on both sides. */
export class EnrollmentError extends IdlocError {
  readonly refusal: EnrollmentRefusal;

  constructor(refusal: EnrollmentRefusal, message: string, options?: ErrorOptions) {
    super(refusal === 'cannot_write' ? 'enrollment_unavailable' : 'enrollment_refused', message, options);
    this.refusal = refusal;
  }
}

/** Thrown when the name that a newcomer chose is somebody else's, as far as the register knows. */
export class NameTakenError extends EnrollmentError {
  readonly user: string;

  constructor(user: string, message: string) {
    super('username_not_available', message);
    this.user = user;
  }
}

/** Thrown when a passphrase opens nothing, or is too short to protect anything. */
export class PassphraseError extends IdlocError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad_passphrase', message, options);
  }
}

/** Thrown when a file of the state directory is missing, unsafe or broken. The file is left as it is. */
export class KeyStoreError extends IdlocError {
  constructor(message: string, options?: ErrorOptions, code = 'bad_state') {
    super(code, message, options);
  }
}

/** Thrown when a file of the state directory cannot be written: a full or read-only disk, say. It may be well the next time. */
export class StateWriteError extends KeyStoreError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options, 'state_unwritable');
  }
}

/** Thrown when another running agent uses the state directory. */
export class StateInUseError extends IdlocError {
  /** Process id of the other agent. */
  readonly pid: number;

  constructor(message: string, pid: number) {
    super('state_in_use', message);
    this.pid = pid;
  }
}
