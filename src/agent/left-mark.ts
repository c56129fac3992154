import { z } from 'zod';
import type { StateDirectory } from '../identity/state-directory.ts';

const LEFT = 'left';

const schema = z.strictObject({
  version: z.literal(1),
  overlay: z.string().max(255),
  settings: z.string().max(64).nullable(),
});

/** That this host was told to leave: a restart is no reason to be in an overlay again. */
export interface LeftMark {
  readonly overlay: string;
  /** The digest of the settings that were in force then (`Wish`). */
  readonly settings: string | null;
}

/** A mark that cannot be read marks nothing. */
export function readLeftMark(state: StateDirectory): LeftMark | undefined {
  const bytes = state.read(LEFT, { secret: true });
  if (bytes === undefined) return undefined;
  try {
    const { overlay, settings } = schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return { overlay, settings };
  } catch {
    return undefined;
  }
}

/** @throws {KeyStoreError} */
export function writeLeftMark(state: StateDirectory, mark: LeftMark): void {
  state.write(LEFT, `${JSON.stringify({ version: 1, ...mark })}\n`, { secret: true });
}

/** @throws {KeyStoreError} */
export function removeLeftMark(state: StateDirectory): void {
  state.remove(LEFT);
}
