import type { Hit } from '../../base/node-id.ts';
import { type DocumentOverlay, OwnDocuments, type OwnDocument } from '../../overlay/own-documents.ts';
import { IDLOC_NAME, type DocumentKind } from '../../overlay/storage/kinds.ts';
import type { FetchedValue, FetchResult } from '../../overlay/storage/storage-client.ts';
import { NodeCertificate } from '../../identity/certificate.ts';
import { type Answer, askOverlay } from '../ask-overlay.ts';

/** A host of our user, and the key that is proven to be its own. */
export interface UserHost {
  readonly hit: Hit;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

/** What a document of the user asks of the overlay. Each rejects with an OverlayError when it cannot be said. */
export interface DocumentPort {
  /** Our user; undefined while we are not in the overlay, null: this host has none. */
  readonly user: string | null | undefined;
  hosts(user: string): Promise<UserHost[]>;
  load(user: string, hit: Hit): Promise<OwnDocument | undefined>;
  save(user: string, document: OwnDocument): Promise<void>;
}

/** @param values IDLOC-NAME at the user's name, of hosts that are not revoked. */
export function userHosts(values: readonly FetchedValue[], user: string): UserHost[] {
  return values.flatMap(({ signer, certificate }) =>
    signer.user === user && certificate !== undefined
      ? [{ hit: signer.nodeId, spki: new NodeCertificate(certificate).spki }]
      : [],
  );
}

export interface DocumentPorts {
  /** While we are in the overlay. */
  node(): DocumentOverlay | undefined;
  user(): string | null;
  isRevoked(nodeId: Hit): boolean;
  run(input: (now: number) => void): void;
}

/** The overlay by promises. @param kind of the documents */
export function documentPort(ports: DocumentPorts, kind: DocumentKind): DocumentPort {
  const ask = <T>(
    request: (overlay: DocumentOverlay, now: number, done: (answer: Answer<T>) => void) => void,
  ): Promise<T & { readonly ok: true }> =>
    askOverlay({ overlay: ports.node(), run: (input) => ports.run(input) }, request);
  return {
    get user() {
      return ports.node() === undefined ? undefined : ports.user();
    },
    hosts: async (user) => {
      const { values } = await ask<FetchResult>((overlay, now, done) => {
        overlay.fetch({ resource: overlay.settings.ring.resourceIdOf(user), kind: IDLOC_NAME.id }, now, done);
      });
      return userHosts(
        values.filter(({ signer }) => !ports.isRevoked(signer.nodeId)),
        user,
      );
    },
    load: async (user, hit) => {
      const { document } = await ask<{ document: OwnDocument | undefined }>((overlay, now, done) => {
        new OwnDocuments({ overlay }, { kind }).load(user, hit, now, done);
      });
      return document;
    },
    save: async (user, document) => {
      await ask<object>((overlay, now, done) => {
        new OwnDocuments({ overlay }, { kind }).save(user, document, now, done);
      });
    },
  };
}
