import { IdlocError, messageOf, type ReportError } from '../base/errors.ts';

export interface LastNet {
  /** Rejects when the agent is to end. */
  readonly broken: Promise<never>;
  readonly remove: () => void;
}

/**
 * What no guard caught. Of a promise that nobody waits for the function that threw has ended, and nothing else: it is reported, as by
 * a guard. Of anything else nobody knows what state that left: the agent ends, in order, to be started again.
 */
export function lastNet(report: ReportError): LastNet {
  const { promise: broken, reject } = Promise.withResolvers<never>();
  const onRejection = (error: unknown): void => report('promise', error);
  const onError = (error: unknown): void => {
    report('process', error);
    reject(new IdlocError('internal', `an unexpected error ended the agent: ${messageOf(error)}: see the log`));
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onError);
  const remove = (): void => {
    process.off('unhandledRejection', onRejection);
    process.off('uncaughtException', onError);
  };
  return { broken, remove };
}
