import type { Hit } from '../base/node-id.ts';
import { addressToHit, isHit } from '../base/node-id.ts';
import { IdlocError } from '../base/errors.ts';
import type { LookupAnswer, NameLookup, OverlayHost } from '../dns/name-lookup.ts';
import type { LookupDone, NameService, RecordSource } from '../overlay/naming.ts';
import { ERROR_CODES } from '../reload/index.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';

/** What the overlay says of a host, and who said it. */
export interface Found {
  readonly hit: Hit;
  readonly ipv4: string | undefined;
  readonly user: string | undefined;
  readonly source: RecordSource | undefined;
}

/**
 * Lookups for programs and people: DNS asks here, and so does `idloc resolve`. A user `bob@home.example` is the host
 * `bob.home.example`.
 */
export class Directory implements NameLookup {
  private readonly engine: Engine;
  private readonly driver: Driver;
  private readonly overlay: string;

  constructor(components: { engine: Engine; driver: Driver; overlay: string }) {
    this.engine = components.engine;
    this.driver = components.driver;
    this.overlay = components.overlay;
  }

  lookupName(name: string, done: (answer: LookupAnswer) => void): void {
    this.ask(done, (names, now, answer) => {
      names.lookupName(this.userOf(name), now, (result, at) => {
        // Several hosts of one user: the one that told about itself last.
        const latest = result.ok ? result.value[0] : undefined;
        if (!result.ok) answer(result, at);
        else if (latest !== undefined) answer({ ok: true, value: { ...latest, name } }, at);
      });
    });
  }

  lookupHit(hit: Hit, done: (answer: LookupAnswer) => void): void {
    this.ask(done, (names, now, answer) => {
      names.lookupHit(hit, now, (result, at) => {
        if (!result.ok) answer(result, at);
        else answer({ ok: true, value: { hit, ipv4: result.value.ipv4, name: this.labelOf(result.value.user) } }, at);
      });
    });
  }

  lookupIpv4(address: string, done: (answer: LookupAnswer) => void): void {
    this.ask(done, (names, now, answer) => {
      names.lookupIpv4(address, now, (result, at) => {
        if (!result.ok) answer(result, at);
        else
          answer(
            { ok: true, value: { hit: result.value.hit, ipv4: address, name: this.labelOf(result.value.user) } },
            at,
          );
      });
    });
  }

  /**
   * A name (`bob`, `bob.home.example`, `bob@home.example`), a HIT as an address, or an overlay IPv4 address.
   * @throws {IdlocError} when the overlay cannot be asked or knows no such host.
   */
  resolve(target: string): Promise<Found> {
    const { names } = this.engine;
    if (names === undefined) throw new IdlocError('not_joined', 'not in the overlay yet: try again in a moment');
    return new Promise((resolve, reject) => {
      const settle: LookupDone<Found> = (result) => {
        if (result.ok) resolve(result.value);
        else reject(new IdlocError('not_found', `${target}: ${result.error.message}`));
      };
      this.driver.run((now) => {
        const hit = hitOf(target);
        if (hit !== undefined)
          names.lookupHit(hit, now, (result, at) => {
            // A host that has stored nothing about itself can be reached all the same.
            const found: Found = result.ok
              ? { hit, ...result.value }
              : { hit, ipv4: undefined, user: undefined, source: undefined };
            settle({ ok: true, value: found }, at);
          });
        else if (/^[0-9.]+$/.test(target))
          names.lookupIpv4(target, now, (result, at) => {
            settle(result.ok ? { ok: true, value: { ipv4: target, ...result.value } } : result, at);
          });
        else {
          const user = this.userOf(target.toLowerCase());
          names.lookupName(user, now, (result, at) => {
            const latest = result.ok ? result.value[0] : undefined;
            if (!result.ok) settle(result, at);
            else if (latest !== undefined) settle({ ok: true, value: { user, ...latest } }, at);
          });
        }
      });
    });
  }

  /** `bob.home.example` of the user `bob@home.example`. */
  hostNameOf(user: string | null | undefined): string | null {
    return user?.replace('@', '.') ?? null;
  }

  private ask(
    done: (answer: LookupAnswer) => void,
    lookup: (names: NameService, now: number, answer: LookupDone<OverlayHost>) => void,
  ): void {
    const { names } = this.engine;
    if (names === undefined) {
      done({ status: 'failed', reason: 'not in the overlay (yet)' });
      return;
    }
    this.driver.run((now) => {
      lookup(names, now, (result) => {
        if (result.ok) done({ status: 'found', host: result.value });
        else if (result.error.errorCode === ERROR_CODES.not_found) done({ status: 'absent' });
        else done({ status: 'failed', reason: result.error.message });
      });
    });
  }

  private userOf(name: string): string {
    if (name.includes('@')) return name;
    const suffix = `.${this.overlay}`;
    return `${name.endsWith(suffix) ? name.slice(0, -suffix.length) : name}@${this.overlay}`;
  }

  private labelOf(user: string | undefined): string | undefined {
    const [label, overlay] = user?.split('@') ?? [];
    return overlay === this.overlay ? label : undefined;
  }
}

function hitOf(target: string): Hit | undefined {
  if (!target.includes(':')) return undefined;
  try {
    const hit = addressToHit(target);
    return isHit(hit) ? hit : undefined;
  } catch {
    throw new IdlocError('bad_target', `${target}: neither a name nor an address`);
  }
}
