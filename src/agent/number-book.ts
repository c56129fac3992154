import { z } from 'zod';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { isMemberLabel } from '../identity/names.ts';
import type { StateDirectory } from '../identity/state-directory.ts';
import { isE164 } from '../sip/numbers.ts';

/** Whose numbers are: nobody else's business. */
const FILE = 'numbers';
/** Each is a record of its own, and with what else a host stores they stay below the quota of a writer at one peer. */
export const MAX_ASSIGNED = 24;

const fileSchema = z.object({
  numbers: z.array(z.object({ number: z.string().refine(isE164), member: z.string().refine(isMemberLabel) })),
});

/** Numbers that the owner of this gateway has given to members, from life to life. */
export class NumberBook {
  private readonly state: Pick<StateDirectory, 'read' | 'write'>;
  private readonly book = new Map<string, string>();
  /** Why the file could not be read. */
  private readonly problem: string | undefined;

  constructor(components: { readonly state: Pick<StateDirectory, 'read' | 'write'>; readonly logger: Logger }) {
    this.state = components.state;
    try {
      for (const { number, member } of this.load()) this.book.set(number, member);
    } catch (error) {
      this.problem = messageOf(error);
      components.logger.warn('numbers of members are not known', { file: FILE, err: this.problem });
    }
  }

  /** E.164 number to the label of the member, as it is now. */
  get assigned(): ReadonlyMap<string, string> {
    return this.book;
  }

  /** @throws {IdlocError} when what former lives have written cannot be read: it is not written over. */
  check(): void {
    if (this.problem !== undefined)
      throw new IdlocError(
        'unreadable',
        `the file ${FILE} in the state directory cannot be read (${this.problem}): mend it or move it away, and restart the agent`,
      );
  }

  /** @throws {IdlocError} when there are too many; {StateWriteError} when it cannot be written, and is not given then. */
  assign(number: string, member: string): void {
    if (!this.book.has(number) && this.book.size >= MAX_ASSIGNED)
      throw new IdlocError(
        'too_many_numbers',
        `${MAX_ASSIGNED} numbers are given to members, and no more can be: release one, or write this one into sip.trunk.numbers`,
      );
    this.change(new Map([...this.book, [number, member]]));
  }

  /** @throws {StateWriteError} when it cannot be written, and is not taken away then. */
  release(number: string): void {
    this.change(new Map([...this.book].filter(([other]) => other !== number)));
  }

  /** On the disk first. Who reads the map has it for as long as this life. */
  private change(to: ReadonlyMap<string, string>): void {
    const numbers = [...to].map(([number, member]) => ({ number, member }));
    this.state.write(FILE, `${JSON.stringify({ numbers }, undefined, 2)}\n`, { secret: true });
    this.book.clear();
    for (const [number, member] of to) this.book.set(number, member);
  }

  private load(): readonly { readonly number: string; readonly member: string }[] {
    const bytes = this.state.read(FILE, { secret: true });
    return bytes === undefined ? [] : fileSchema.parse(JSON.parse(Buffer.from(bytes).toString())).numbers;
  }
}
