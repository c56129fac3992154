import { isIPv4 } from 'node:net';
import type { Hit } from '../base/node-id.ts';
import { addressToHit, hitToAddress, isHit } from '../base/node-id.ts';
import { IdlocError } from '../base/errors.ts';
import type { LookupAnswer, NameLookup, OverlayHost } from '../dns/name-lookup.ts';
import { isUserOf } from '../identity/names.ts';
import type { LookupDone, NamedHost, NameService, RecordSource } from '../overlay/naming.ts';
import { ERROR_CODES } from '../reload/index.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';

/** A linked host is known without the overlay, which is asked all the same, since it may know better; but not for longer. */
const OVERLAY_PATIENCE_MS = 1_000;

/** Of a user's hosts that are asked whether they are there: the next one as soon after the one before (RFC 8305 s5), and all in so long. */
const NEXT_AFTER_MS = 250;
const ASK_PATIENCE_MS = 1_000;
const MAX_ASKED = 4;

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
  private readonly driver: Pick<Driver, 'run'>;
  private readonly overlay: string;
  private readonly after: (ms: number, then: () => void) => void;

  constructor(components: {
    engine: Engine;
    driver: Pick<Driver, 'run'>;
    overlay: string;
    after: (ms: number, then: () => void) => void;
  }) {
    this.engine = components.engine;
    this.driver = components.driver;
    this.overlay = components.overlay;
    this.after = components.after;
  }

  /** All hosts of the user, as `bestFirst` orders them: one that is there is linked by then, if any is. */
  lookupName(name: string, done: (answer: LookupAnswer) => void): void {
    const user = this.userOf(name);
    this.ask({ user }, done, (names, now, answer) => {
      names.lookupName(user, now, (result, at) => {
        if (!result.ok) {
          answer(result, at);
          return;
        }
        this.linkOne(this.bestFirst(result.value), at, (then) =>
          answer({ ok: true, value: this.bestFirst(result.value).map((host) => ({ ...host, name })) }, then),
        );
      });
    });
  }

  lookupHit(hit: Hit, done: (answer: LookupAnswer) => void): void {
    this.ask({ hit }, done, (names, now, answer) => {
      names.lookupHit(hit, now, (result, at) => {
        if (!result.ok) answer(result, at);
        else answer({ ok: true, value: [{ hit, ipv4: result.value.ipv4, name: this.labelOf(result.value.user) }] }, at);
      });
    });
  }

  lookupIpv4(address: string, done: (answer: LookupAnswer) => void): void {
    this.ask({ ipv4: address }, done, (names, now, answer) => {
      names.lookupIpv4(address, now, (result, at) => {
        if (!result.ok) answer(result, at);
        else
          answer(
            { ok: true, value: [{ hit: result.value.hit, ipv4: address, name: this.labelOf(result.value.user) }] },
            at,
          );
      });
    });
  }

  /**
   * As `resolve`, but hosts that are linked are taken as their links show them, and nobody else.
   * @throws {IdlocError} when the overlay cannot be asked or knows no such host.
   */
  find(target: string): Promise<readonly Found[]> {
    const linked = this.linked(target);
    return linked.length === 0 ? this.resolve(target) : Promise.resolve(linked);
  }

  /**
   * What the overlay says of a name (`bob`, `bob.home.example`, `bob@home.example`), a HIT as an address, or an overlay IPv4
   * address; of a linked host what its link shows, where the overlay cannot be asked. One host at least; of a user that has
   * several all, as `bestFirst` orders them.
   * @throws {IdlocError} when the overlay cannot be asked or knows no such host; `bad_target` of what no host can be called.
   */
  resolve(target: string): Promise<readonly Found[]> {
    const linked = this.linked(target);
    const { names } = this.engine;
    if (linked.length > 0 && !this.mayAsk) return Promise.resolve(linked);
    if (names === undefined) {
      const why = this.engine.why ?? 'try again in a moment';
      throw new IdlocError('not_joined', `not in the overlay yet: ${why}`);
    }
    return new Promise((resolve, reject) => {
      if (linked.length > 0) this.after(OVERLAY_PATIENCE_MS, () => resolve(linked));
      const settle: LookupDone<readonly Found[]> = (result) => {
        if (result.ok) resolve(result.value);
        else if (linked.length > 0 && result.error.errorCode !== ERROR_CODES.not_found) resolve(linked);
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
            settle({ ok: true, value: [found] }, at);
          });
        else if (isIPv4(target))
          names.lookupIpv4(target, now, (result, at) => {
            settle(result.ok ? { ok: true, value: [{ ipv4: target, ...result.value }] } : result, at);
          });
        else {
          const user = this.userOf(target.toLowerCase());
          names.lookupName(user, now, (result, at) => {
            if (!result.ok) settle(result, at);
            else settle({ ok: true, value: this.bestFirst(result.value).map((host) => ({ user, ...host })) }, at);
          });
        }
      });
    });
  }

  /** `bob.home.example` of the user `bob@home.example`. */
  hostNameOf(user: string | null | undefined): string | null {
    return user?.replace('@', '.') ?? null;
  }

  /** Those that are linked, then those that were heard of last; this host itself is the last of all. */
  private bestFirst(hosts: readonly NamedHost[]): NamedHost[] {
    const { engine } = this;
    const wallNow = engine.clock.wall();
    const ranked = hosts.map((host) => ({
      host,
      isSelf: host.hit === engine.hit,
      isLinked: engine.links.isUp(host.hit),
      heardAt: Math.max(engine.lastSeen(host.hit), wallNow - host.source.ageMs),
    }));
    ranked.sort(
      (a, b) => Number(a.isSelf) - Number(b.isSelf) || Number(b.isLinked) - Number(a.isLinked) || b.heardAt - a.heardAt,
    );
    return ranked.map(({ host }) => host);
  }

  /**
   * A host that was lost, or set up anew with another key, leaves a record that may be the latest: of several hosts of which none is
   * linked, one that is there is found by asking.
   */
  private linkOne(hosts: readonly NamedHost[], now: number, done: (now: number) => void): void {
    const { engine } = this;
    const others = hosts.filter(({ hit }) => hit !== engine.hit).slice(0, MAX_ASKED);
    if (others.length < 2 || others.some(({ hit }) => engine.links.isUp(hit))) {
      done(now);
      return;
    }
    let left = others.length;
    let open = true;
    const finish = (): void => {
      if (!open) return;
      open = false;
      this.driver.run(done);
    };
    this.after(ASK_PATIENCE_MS, finish);
    for (const [i, { hit }] of others.entries())
      this.after(i * NEXT_AFTER_MS, () => {
        if (!open) return;
        this.driver.run((at) => {
          engine.resolver.miss(hitToAddress(hit), at, (result) => {
            left -= 1;
            if (result.ok || left === 0) finish();
          });
        });
      });
  }

  private ask(
    wanted: Parameters<Engine['linkedMembersOf']>[0],
    done: (answer: LookupAnswer) => void,
    lookup: (names: NameService, now: number, answer: LookupDone<readonly OverlayHost[]>) => void,
  ): void {
    const { names } = this.engine;
    const linked = this.engine.linkedMembersOf(wanted);
    const hosts = linked.map(({ hit, ipv4, user }) => ({ hit, ipv4, name: this.labelOf(user ?? undefined) }));
    const known: LookupAnswer | undefined = hosts.length === 0 ? undefined : { status: 'found', hosts };
    if (names === undefined || (known !== undefined && !this.mayAsk)) {
      done(known ?? { status: 'failed', reason: 'not in the overlay (yet)' });
      return;
    }
    let open = true;
    const finish = (answer: LookupAnswer): void => {
      if (!open) return;
      open = false;
      done(answer);
    };
    if (known !== undefined) this.after(OVERLAY_PATIENCE_MS, () => finish(known));
    this.driver.run((now) => {
      lookup(names, now, (result) => {
        if (result.ok) finish({ status: 'found', hosts: result.value });
        else if (result.error.errorCode === ERROR_CODES.not_found) finish({ status: 'absent' });
        else finish(known ?? { status: 'failed', reason: result.error.message });
      });
    });
  }

  private get mayAsk(): boolean {
    return this.engine.overlay?.state === 'joined';
  }

  /** @throws {IdlocError} `bad_target` */
  private linked(target: string): Found[] {
    const hit = hitOf(target);
    const user = this.userOf(target.toLowerCase());
    if (hit === undefined && !isIPv4(target) && !isUserOf(user, this.overlay)) throw badTarget(target, this.overlay);
    const wanted = hit !== undefined ? { hit } : isIPv4(target) ? { ipv4: target } : { user };
    const members = this.engine.linkedMembersOf(wanted);
    return members.map(({ hit, ipv4, user: of }) => ({ hit, ipv4, user: of ?? undefined, source: undefined }));
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

function badTarget(target: string, overlay: string): IdlocError {
  const shown = target.length > 64 ? `${target.slice(0, 64)}…` : target;
  return new IdlocError(
    'bad_target',
    `${shown}: neither a name in ${overlay} nor an address of it: names have a-z, 0-9 and -, such as bob or bob.${overlay}`,
  );
}

function hitOf(target: string): Hit | undefined {
  if (!target.includes(':')) return undefined;
  try {
    const hit = addressToHit(target);
    return isHit(hit) ? hit : undefined;
  } catch {
    return undefined;
  }
}
