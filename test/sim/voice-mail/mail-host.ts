import { setTimeout as pause } from 'node:timers/promises';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { mailOverlay } from '../../../src/agent/voice-mail/mail-overlay.ts';
import { VoiceMail } from '../../../src/agent/voice-mail/voice-mail.ts';
import type { VoiceMailSettings } from '../../../src/config/voice-mail-settings.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import type { OverlayWorld, SimNode } from '../overlay/overlay-world.ts';

/** Of the world, for each turn of the event loop: what is encrypted by other threads is waited for in real time. */
const STEP_MS = 20;
const MAX_STEPS = 20_000;
/** Of a long time, in which little is encrypted. */
const MOST_TURNS = 1_000;

/** A state directory, as voice mail uses it. */
export class MemoryState {
  readonly files = new Map<string, Uint8Array>();

  read(name: string): Uint8Array<ArrayBuffer> | undefined {
    const found = this.files.get(name);
    return found && new Uint8Array(found);
  }

  writeSoon(name: string, content: string | Uint8Array | Iterable<string>): Promise<void> {
    const bytes =
      content instanceof Uint8Array
        ? content
        : Buffer.from(typeof content === 'string' ? content : [...content].join(''));
    this.files.set(name, new Uint8Array(bytes));
    return Promise.resolve();
  }

  removeSoon(name: string): Promise<void> {
    this.files.delete(name);
    return Promise.resolve();
  }
}

export interface MailHostOptions {
  readonly settings?: VoiceMailSettings;
  readonly gateways?: readonly string[];
  readonly state?: MemoryState;
  readonly blocked?: readonly string[];
}

/** A simulated host with its voice mail; the state directory stays from life to life. */
export class MailHost {
  readonly node: SimNode;
  readonly state: MemoryState;
  readonly mail: VoiceMail;

  constructor(world: OverlayWorld, node: SimNode, options: MailHostOptions = {}) {
    const { settings, gateways = [], state = new MemoryState(), blocked = [] } = options;
    const { identity } = node.enrolled;
    if (!(identity instanceof HostIdentity)) throw new TypeError('nobody can seal for a fake identity');
    this.node = node;
    this.state = state;
    this.mail = new VoiceMail(
      {
        overlay: mailOverlay({
          node: () => (node.alive && node.overlay.state === 'joined' ? node.overlay : undefined),
          nodeId: node.id,
          overlay: world.settings.name,
          user: () => node.user,
          isRevoked: () => false,
          run: (input) => {
            world.run(node, input);
          },
        }),
        identity,
        state,
        clock: world.clockOf(node.id),
        random: seededRandom(world.random.uint32()),
        logger: silentLogger,
        after: world.timersOf(node),
        isWelcome: (names) => !names.some((name) => blocked.includes(name)),
      },
      { settings, gateways },
    );
  }
}

/** Runs the world until a promise is settled. */
export async function awaited<T>(world: OverlayWorld, promise: Promise<T>): Promise<T> {
  const seen = { isOpen: true };
  const settle = (): void => {
    seen.isOpen = false;
  };
  promise.then(settle, settle);
  for (let step = 0; seen.isOpen && step < MAX_STEPS; step++) {
    world.loop.run(STEP_MS);
    await pause(0);
  }
  if (seen.isOpen) throw new Error('it is not settled');
  return promise;
}

/** Virtual time passes, and with it what is encrypted meanwhile. */
export async function passing(world: OverlayWorld, ms: number): Promise<void> {
  const step = Math.max(STEP_MS, ms / MOST_TURNS);
  for (const end = world.now + ms; world.now < end;) {
    world.loop.run(step);
    await pause(0);
  }
}
