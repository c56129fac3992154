import type { NodeId } from '../../base/node-id.ts';
import { ERROR_CODES, type StoredMetaData } from '../../reload/index.ts';
import type { OverlayNode } from '../../overlay/overlay-node.ts';
import { IDLOC_NAME } from '../../overlay/storage/kinds.ts';
import type {
  FetchedValue,
  FetchResult,
  FetchSpec,
  StatResult,
  StoreResult,
  StoreSpec,
} from '../../overlay/storage/storage-client.ts';
import { userHosts, type UserHost } from '../user-documents/document-port.ts';
import { type Answer, askOverlay } from '../ask-overlay.ts';

/** What peers say that hold nothing of it, or that are of an earlier version. */
const SAYS_NONE: ReadonlySet<string> = new Set(['not_found', 'unknown_kind']);
/** Answers that the next attempt may not get: a peer that is gone, one that is no more responsible. */
const PASSES: ReadonlySet<number> = new Set([ERROR_CODES.request_timeout, ERROR_CODES.not_found]);
const TRIES = 3;

type Named<T> = Omit<T, 'resource'> & { readonly name: string };

export interface FetchedMail {
  /** Of members that are not revoked. */
  readonly values: readonly FetchedValue[];
  readonly removed: (FetchResult & { ok: true })['removed'];
}

/** The overlay, as voice mail needs it; places are given by name. What fails rejects with an OverlayError, or because we are not in it. */
export interface MailOverlay {
  readonly nodeId: NodeId;
  /** Our user; undefined while we are not in the overlay, null: this host has none. */
  readonly user: string | null | undefined;
  /** What the overlay is called: users are `bob@` it. */
  readonly overlay: string;
  hosts(user: string): Promise<readonly UserHost[]>;
  store(spec: Named<StoreSpec>): Promise<void>;
  /** Nothing where nobody has anything. */
  fetch(spec: Named<FetchSpec>): Promise<FetchedMail>;
  stat(name: string, kind: number): Promise<readonly StoredMetaData[]>;
}

export interface MailOverlayPorts {
  /** While we are in it. */
  node(): OverlayNode | undefined;
  readonly nodeId: NodeId;
  readonly overlay: string;
  user(): string | null;
  isRevoked(nodeId: NodeId): boolean;
  readonly run: (input: (now: number) => void) => void;
}

/** The overlay by promises. */
export function mailOverlay(ports: MailOverlayPorts): MailOverlay {
  const ask = <T>(
    request: (node: OverlayNode, now: number, done: (answer: Answer<T>) => void) => void,
  ): Promise<T & { readonly ok: true }> => askOverlay({ overlay: ports.node(), run: ports.run }, request);
  const at = (name: string): string => ports.node()?.settings.ring.resourceIdOf(name) ?? '';
  const fetch = async ({ name, ...spec }: Named<FetchSpec>): Promise<FetchedMail> => {
    const asked = ask<FetchResult>((node, now, done) => node.fetch({ ...spec, resource: at(name) }, now, done));
    const { values, removed } = await orNone<FetchedMail>(asked, { values: [], removed: [] });
    return { values: values.filter(({ signer }) => !ports.isRevoked(signer.nodeId)), removed };
  };
  return {
    nodeId: ports.nodeId,
    overlay: ports.overlay,
    get user() {
      return ports.node() === undefined ? undefined : ports.user();
    },
    fetch,
    hosts: async (user) => userHosts((await fetch({ name: user, kind: IDLOC_NAME.id })).values, user),
    store: async ({ name, ...spec }) => {
      for (let tries = 1; ; tries++)
        try {
          await ask<StoreResult>((node, now, done) => node.store({ ...spec, resource: at(name) }, now, done));
          return;
        } catch (error) {
          if (tries === TRIES || !mayPass(error)) throw error;
        }
    },
    stat: async (name, kind) => {
      const asked = ask<StatResult>((node, now, done) => node.stat({ resource: at(name), kind }, now, done));
      return (await orNone<{ readonly values: readonly StoredMetaData[] }>(asked, { values: [] })).values;
    },
  };
}

function mayPass(error: unknown): boolean {
  return error instanceof Error && 'errorCode' in error && PASSES.has(Number(error.errorCode));
}

async function orNone<T>(asked: Promise<T>, none: T): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Error && 'code' in error && SAYS_NONE.has(String(error.code))) return none;
    throw error;
  }
}
