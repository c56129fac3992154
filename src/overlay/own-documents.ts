import { concatBytes, fromHex } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { NodeId } from '../base/node-id.ts';
import { ERROR_CODES } from '../reload/index.ts';
import type { OverlayError } from './errors.ts';
import type { OverlayNode } from './overlay-node.ts';
import { IDLOC_OWN } from './storage/kinds.ts';
import { OWN_SLOTS, type OwnPart, decodeOwnPart, encodeOwnPart, ownPartName, partsOf } from './storage/own-part.ts';

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
 * What is a user's own in the overlay (IDLOC-OWN): each host of the user has one document there, in parts at several places, and reads
 * those of the user's other hosts. A document is stored beside the one before, part by part, so that there is always a whole one.
 */
export class OwnDocuments {
  private readonly overlay: DocumentOverlay;

  constructor(components: { overlay: DocumentOverlay }) {
    this.overlay = components.overlay;
  }

  /**
   * Stores this host's document.
   * @param document.slot another one than that of the document before.
   * @throws {RangeError} when it is longer than MAX_OWN_BYTES.
   */
  save(user: string, document: OwnDocument, now: number, done: SaveDone): void {
    const { slot, savedAt, content } = document;
    const parts = partsOf(content, savedAt);
    // The first part last: whoever finds it finds the others.
    const next = (index: number, at: number): void => {
      const part = parts[index];
      if (part === undefined) {
        done({ ok: true }, at);
        return;
      }
      const key = fromHex(this.overlay.nodeId);
      const value = { model: 'dictionary' as const, key, exists: true, value: encodeOwnPart(part) };
      const spec = { resource: this.placeOf(user, slot, index), kind: IDLOC_OWN.id, value, lifetimeS: LIFETIME_S };
      this.overlay.store(spec, at, (result, later) => {
        if (result.ok) next(index - 1, later);
        else done(result, later);
      });
    };
    next(parts.length - 1, now);
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
    const next = (at: number): void => {
      const index = contents.length;
      if (index === count) {
        done({ ok: true, document: { savedAt, slot, content: concatBytes(...contents) } }, at);
        return;
      }
      this.part(user, nodeId, slot, index, at, (result, later) => {
        if (!result.ok) done(result, later);
        else if (result.part?.savedAt !== savedAt || result.part.count !== count || result.part.index !== index)
          this.complete(user, nodeId, others, later, done);
        else {
          contents.push(result.part.content);
          next(later);
        }
      });
    };
    next(now);
  }

  private part(
    user: string,
    nodeId: NodeId,
    slot: number,
    index: number,
    now: number,
    done: (result: { ok: true; part: OwnPart | undefined } | { ok: false; error: OverlayError }, now: number) => void,
  ): void {
    const spec = { resource: this.placeOf(user, slot, index), kind: IDLOC_OWN.id, keys: [fromHex(nodeId)] };
    this.overlay.fetch(spec, now, (result, at) => {
      if (!result.ok) {
        if (SAYS_NONE.has(result.error.errorCode)) done({ ok: true, part: undefined }, at);
        else done(result, at);
        return;
      }
      const found = result.values.find(({ signer }) => signer.nodeId === nodeId && signer.user === user);
      done({ ok: true, part: found && decoded(found.value.value) }, at);
    });
  }

  private placeOf(user: string, slot: number, index: number): string {
    return this.overlay.settings.ring.resourceIdOf(ownPartName(user, slot, index));
  }
}

function decoded(bytes: Uint8Array): OwnPart | undefined {
  try {
    return decodeOwnPart(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
