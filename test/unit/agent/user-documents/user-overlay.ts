import type { DocumentPort } from '../../../../src/agent/user-documents/document-port.ts';
import type { UserDocumentComponents } from '../../../../src/agent/user-documents/user-document.ts';
import { type Logger, silentLogger } from '../../../../src/base/logger.ts';
import { systemRandom } from '../../../../src/base/random.ts';
import { HostIdentity } from '../../../../src/identity/host-identity.ts';
import type { OwnDocument } from '../../../../src/overlay/own-documents.ts';

export const ALICE = 'alice@home.example';

/** What the overlay holds of a user: one sort of documents. */
export class UserOverlay {
  readonly hosts: HostIdentity[] = [];
  readonly documents = new Map<string, OwnDocument>();
  isReachable = true;
  /** Hosts whose name is not stored yet. */
  readonly nameless = new Set<HostIdentity>();
  saves = 0;
  now = 1_700_000_000_000;

  port(self: string): DocumentPort {
    const answered = <T>(value: T): Promise<T> =>
      this.isReachable ? Promise.resolve(value) : Promise.reject(new Error('nobody answers'));
    return {
      user: ALICE,
      hosts: () => {
        const named = this.hosts.filter((host) => !this.nameless.has(host));
        return answered(named.map(({ hit, spki }) => ({ hit, spki })));
      },
      load: (_, hit) => answered(this.documents.get(hit)),
      save: async (_, document) => {
        await answered(undefined);
        this.saves += 1;
        this.documents.set(self, document);
      },
    };
  }
}

/** A host over its lives: its state directory stays. */
export class DocumentHost<D> {
  readonly identity: HostIdentity;
  readonly files = new Map<string, Uint8Array>();
  /** Names of those that others of this machine may read. */
  readonly open = new Set<string>();
  readonly overlay: UserOverlay;
  document: D;
  timers: { ms: number; then: () => void }[] = [];
  private readonly make: (components: UserDocumentComponents) => D;
  private readonly logger: Logger;

  constructor(overlay: UserOverlay, make: (components: UserDocumentComponents) => D, logger: Logger = silentLogger) {
    this.identity = HostIdentity.generate();
    this.overlay = overlay;
    this.make = make;
    this.logger = logger;
    overlay.hosts.push(this.identity);
    this.document = this.start();
  }

  start(): D {
    this.timers = [];
    const { overlay, identity, files, open, logger } = this;
    this.document = this.make({
      overlay: overlay.port(identity.hit),
      identity,
      state: {
        read: (name) => (files.has(name) ? new Uint8Array(files.get(name) ?? []) : undefined),
        writeSoon: (name, content, { secret }) => {
          files.set(name, Buffer.from(typeof content === 'string' ? content : [...content].join('')));
          if (!secret) open.add(name);
          return Promise.resolve();
        },
      },
      clock: { wall: () => overlay.now },
      random: systemRandom,
      logger,
      after: (ms, then) => {
        const timer = { ms, then };
        this.timers.push(timer);
        return () => void (this.timers = this.timers.filter((other) => other !== timer));
      },
    });
    return this.document;
  }
}
