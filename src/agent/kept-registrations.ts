import { KeptFile, type KeptFileComponents } from './kept-file.ts';

/** Registrations of phones from life to life: after a restart they are called without their doing. */
export class KeptRegistrations extends KeptFile {
  constructor(components: KeptFileComponents) {
    super(components, {
      file: 'registrations',
      what: 'registrations of phones',
      // A phone that starts takes its old binding away and makes another one.
      saveDelayMs: 1_000,
    });
  }
}
