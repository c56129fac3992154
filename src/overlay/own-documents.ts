import { concatBytes, fromHex } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { NodeId } from '../base/node-id.ts';
import { ERROR_CODES } from '../reload/index.ts';
import type { OverlayError } from './errors.ts';
import type { OverlayNode } from './overlay-node.ts';
import type { DocumentKind } from './storage/kinds.ts';
import { OWN_SLOTS, type OwnPart, decodeOwnPart, encodeOwnPart, ownPartName, partsOf } from './storage/own-part.ts';

/** Of a document, asked for or stored at the same time: of 64, one after the other would take seconds. */
const PARTS_AT_ONCE = 6;
/** As long as anything may live: a host that is off for weeks finds what is its own. */
const LIFETIME_S = 30 * 86_400;
/** What peers say that hold nothing of it, or that are of an earlier version. */
const SAYS_NONE: ReadonlySet<number> = new Set([ERROR_CODES.not_found, ERROR_CODES.unknown_kind]);

/** What documents are written and read through: an OverlayNode. */
export type DocumentOverlay = Pick<OverlayNode, 'nodeId' | 'settings' | 'store' | 'fetch'>;

/** A document of a host of a user, as it is stored: encrypted. */
export interface OwnDocument {
  /** Milliseconds since the epoch. */
  readonly savedAt: number;
  readonly content: Uint8Array;
  readonly slot: number;
}

/** `document` undefined: there is none, or none that is whole. */
export type LoadDone = (
  result: { readonly ok: true; readonly document: OwnDocument | undefined } | { ok: false; error: OverlayError },
  now: number,
) => void;
export type SaveDone = (result: { readonly ok: true } | { ok: false; error: OverlayError }, now: number) => void;

/**
 * What is a user's own in the overlay: of each Kind of documents (IDLOC-OWN, IDLOC-FILES) each host of the user has one there, in parts at
 * several places, and reads those of the user's other hosts. A document is stored beside the one before, part by part, so that there is
 * always a whole one.
 */
export class OwnDocuments {
  private readonly overlay: DocumentOverlay;
  private readonly kind: DocumentKind;

  constructor(components: { overlay: DocumentOverlay }, options: { kind: DocumentKind }) {
    this.overlay = components.overlay;
    this.kind = options.kind;
  }

  /**
   * Stores this host's document.
   * @param document.slot another one than that of the document before.
   * @throws {RangeError} when it is longer than the Kind allows.
   */
  save(user: string, document: OwnDocument, now: number, done: SaveDone): void {
    const { slot, savedAt, content } = document;
    const [first, ...others] = partsOf(this.kind.parts, content, savedAt);
    const key = fromHex(this.overlay.nodeId);
    let failed: OverlayError | undefined;
    const store = (part: OwnPart, at: number, next: Next): void => {
      const value = { model: 'dictionary' as const, key, exists: true, value: encodeOwnPart(part) };
      const resource = this.placeOf(user, slot, part.index);
      this.overlay.store({ resource, kind: this.kind.id, value, lifetimeS: LIFETIME_S }, at, (result, later) => {
        if (!result.ok) failed ??= result.error;
        next(later, result.ok);
      });
    };
    const end = (at: number): void => done(failed === undefined ? { ok: true } : { ok: false, error: failed }, at);
    // The first part last: whoever finds it finds the others.
    severalAtOnce(others, now, store, (at) => {
      if (failed === undefined) severalAtOnce(first === undefined ? [] : [first], at, store, end);
      else end(at);
    });
  }

  /** The document of a host of the user, the latest one that is whole. */
  load(user: string, nodeId: NodeId, now: number, done: LoadDone): void {
    const firsts: { readonly part: OwnPart; readonly slot: number }[] = [];
    let open = OWN_SLOTS;
    let failed: OverlayError | undefined;
    for (let slot = 0; slot < OWN_SLOTS; slot++)
      this.part(user, nodeId, slot, 0, now, (result, at) => {
        open -= 1;
        if (!result.ok) failed = result.error;
        else if (result.part !== undefined) firsts.push({ part: result.part, slot });
        if (open > 0) return;
        if (firsts.length === 0 && failed !== undefined) done({ ok: false, error: failed }, at);
        else
          this.complete(
            user,
            nodeId,
            firsts.sort((a, b) => b.part.savedAt - a.part.savedAt),
            at,
            done,
          );
      });
  }

  /** The first of these that is whole. */
  private complete(
    user: string,
    nodeId: NodeId,
    [first, ...others]: readonly { readonly part: OwnPart; readonly slot: number }[],
    now: number,
    done: LoadDone,
  ): void {
    if (first === undefined) {
      done({ ok: true, document: undefined }, now);
      return;
    }
    const { slot } = first;
    const { savedAt, count, content } = first.part;
    const contents = [content];
    let failed: OverlayError | undefined;
    const read = (index: number, at: number, next: Next): void =>
      this.part(user, nodeId, slot, index, at, (result, later) => {
        const part = result.ok ? result.part : undefined;
        if (!result.ok) failed ??= result.error;
        const isOfIt = part?.savedAt === savedAt && part.count === count && part.index === index;
        if (isOfIt) contents[index] = part.content;
        next(later, isOfIt);
      });
    const indices = Array.from({ length: count - 1 }, (_, i) => i + 1);
    severalAtOnce(indices, now, read, (at, isWhole) => {
      if (isWhole) done({ ok: true, document: { savedAt, slot, content: concatBytes(...contents) } }, at);
      else if (failed !== undefined) done({ ok: false, error: failed }, at);
      else this.complete(user, nodeId, others, at, done);
    });
  }

  private part(
    user: string,
    nodeId: NodeId,
    slot: number,
    index: number,
    now: number,
    done: (result: { ok: true; part: OwnPart | undefined } | { ok: false; error: OverlayError }, now: number) => void,
  ): void {
    const spec = { resource: this.placeOf(user, slot, index), kind: this.kind.id, keys: [fromHex(nodeId)] };
    this.overlay.fetch(spec, now, (result, at) => {
      if (!result.ok) {
        if (SAYS_NONE.has(result.error.errorCode)) done({ ok: true, part: undefined }, at);
        else done(result, at);
        return;
      }
      const found = result.values.find(({ signer }) => signer.nodeId === nodeId && signer.user === user);
      done({ ok: true, part: found && this.decoded(found.value.value) }, at);
    });
  }

  private placeOf(user: string, slot: number, index: number): string {
    return this.overlay.settings.ring.resourceIdOf(ownPartName(this.kind.parts, user, slot, index));
  }

  private decoded(bytes: Uint8Array): OwnPart | undefined {
    try {
      return decodeOwnPart(this.kind.parts, bytes);
    } catch (error) {
      if (error instanceof MalformedMessageError) return undefined;
      throw error;
    }
  }
}

/** @param ok false: no other item is begun. */
type Next = (now: number, ok: boolean) => void;

/** @param then when all items are done, or those that were under way when one was not. */
function severalAtOnce<T>(
  items: readonly T[],
  now: number,
  act: (item: T, now: number, next: Next) => void,
  then: (now: number, ok: boolean) => void,
): void {
  const waiting = [...items];
  let open = 0;
  let isGood = true;
  const goOn = (at: number): void => {
    while (isGood && open < PARTS_AT_ONCE) {
      const item = waiting.shift();
      if (item === undefined) break;
      open += 1;
      act(item, at, (later, ok) => {
        open -= 1;
        isGood &&= ok;
        goOn(later);
      });
    }
    if (open === 0 && (waiting.length === 0 || !isGood)) end(at);
  };
  let isOver = false;
  const end = (at: number): void => {
    if (isOver) return;
    isOver = true;
    then(at, isGood);
  };
  goOn(now);
}
