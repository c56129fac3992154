import { concatBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { IDLOC_MAIL_PART } from '../../overlay/storage/kinds.ts';
import {
  MAIL_LIFETIME_S,
  encodeMailPart,
  mailPartName,
  mailPartOf,
  mailPartsOf,
  type PartsName,
} from '../../overlay/storage/mail-value.ts';
import { PARTS_AT_ONCE } from './constants.ts';
import type { MailOverlay } from './mail-overlay.ts';

/** Recordings and greetings in the overlay, in parts that their writer alone can write (IDLOC-MAIL-PART). */
export class PartStore {
  private readonly overlay: MailOverlay;

  constructor(components: { readonly overlay: MailOverlay }) {
    this.overlay = components.overlay;
  }

  /** Rejects as soon as a part cannot be stored; some may be. @throws {RangeError} when it is empty or too long. */
  async save(content: Uint8Array, slot: number, savedAt: number): Promise<PartsName> {
    const parts = mailPartsOf(content, slot, savedAt);
    await severalAtOnce(parts, (part) => this.store(part.slot, part.index, encodeMailPart(part), true));
    return { slot, savedAt, count: parts.length };
  }

  /** @returns undefined: not all of it is there, or it is another one by now. */
  async load(nodeId: NodeId, { slot, savedAt, count }: PartsName): Promise<Uint8Array | undefined> {
    const contents = new Array<Uint8Array>(count);
    const seen = { isWhole: true };
    await severalAtOnce(
      Array.from({ length: count }, (_, index) => index),
      async (index) => {
        if (!seen.isWhole) return;
        const { values } = await this.overlay.fetch({
          name: mailPartName(nodeId, slot, index),
          kind: IDLOC_MAIL_PART.id,
        });
        const found = values.find(({ signer }) => signer.nodeId === nodeId);
        const part = found && mailPartOf(found.value.value);
        if (part?.savedAt === savedAt && part.count === count && part.index === index) contents[index] = part.content;
        else seen.isWhole = false;
      },
    );
    return seen.isWhole ? concatBytes(...contents) : undefined;
  }

  /** Whether this host has nothing in a slot, as far as its first part tells. */
  async isFree(slot: number): Promise<boolean> {
    const name = mailPartName(this.overlay.nodeId, slot, 0);
    return (await this.overlay.fetch({ name, kind: IDLOC_MAIL_PART.id })).values.length === 0;
  }

  /** So that others have the room: each that can be. Rejects when one stays. */
  async remove({ slot, count, savedAt }: PartsName): Promise<void> {
    const indices = Array.from({ length: count }, (_, index) => index);
    const failures: Error[] = [];
    await severalAtOnce(indices, async (index) => {
      const value = encodeMailPart({ slot, index, count, savedAt, content: new Uint8Array() });
      await this.store(slot, index, value, false).catch((error: unknown) => {
        failures.push(errorOf(error));
      });
    });
    const [failure] = failures;
    if (failure !== undefined) throw failure;
  }

  private store(slot: number, index: number, value: Uint8Array, exists: boolean): Promise<void> {
    return this.overlay.store({
      name: mailPartName(this.overlay.nodeId, slot, index),
      kind: IDLOC_MAIL_PART.id,
      value: { model: 'single', exists, value },
      lifetimeS: MAIL_LIFETIME_S,
    });
  }
}

/** Rejects with the first failure, when what was under way is over; nothing is begun after it. */
async function severalAtOnce<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const failures: Error[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined && failures.length === 0; item = items[next++])
      try {
        await act(item);
      } catch (error) {
        failures.push(errorOf(error));
      }
  };
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, work));
  const [failure] = failures;
  if (failure !== undefined) throw failure;
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
