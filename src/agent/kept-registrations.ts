import { KeptFile, type KeptFileComponents } from './kept-file.ts';

/** Registrations of phones from life to life: after a restart they are called without their doing. */
export class KeptRegistrations extends KeptFile {
  /** @param components.snapshot what is to be written; plain data */
  constructor({ state, logger, snapshot }: Omit<KeptFileComponents, 'text'> & { readonly snapshot: () => unknown }) {
    super(
      { state, logger, text: () => `${JSON.stringify(snapshot())}\n` },
      {
        file: 'registrations',
        what: 'registrations of phones',
        // A phone that starts takes its old binding away and makes another one.
        saveDelayMs: 1_000,
      },
    );
  }

  /** Undefined: none, or none that can be read. It may hold anything. */
  load(): unknown {
    return this.loadBy((text): unknown => JSON.parse(text));
  }
}
