import { IdlocError } from '../base/errors.ts';
import { systemClock } from '../base/clock.ts';
import { hitToAddress, type Hit } from '../base/node-id.ts';
import type { ControlHandlers } from '../control/schemas.ts';
import type { Directory, Found } from './directory.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';
import { describePath, whyPath, type NameOf } from './path-status.ts';
import { firstToAnswer, type Unanswered } from './first-to-answer.ts';

const ECHO_PAUSE_MS = 200;

export interface LookupComponents {
  readonly engine: Engine;
  readonly driver: Pick<Driver, 'run'>;
  readonly directory: Directory;
  /** Calls back once, after so many milliseconds. */
  readonly after: (ms: number, then: () => void) => void;
}

type PingResult = Awaited<ReturnType<ControlHandlers['ping']>>;
type ResolveResult = Awaited<ReturnType<ControlHandlers['resolve']>>;

/** @throws {IdlocError} when the overlay cannot be asked or knows no such host. */
export async function resolve({ engine, directory }: LookupComponents, target: string): Promise<ResolveResult> {
  const begun = systemClock.monotonic();
  const found = await directory.resolve(target);
  const [first] = found;
  if (first === undefined) throw new IdlocError('not_found', `${target}: no host has this name`);
  const hosts = found.map((host) => ({ ...shown(host, directory), linked: engine.links.isUp(host.hit) }));
  return { target, ...shown(first, directory), hosts, timings: { totalMs: systemClock.monotonic() - begun } };
}

/**
 * Echoes on the link to a host: of a user with several to the first that answers.
 * @throws {IdlocError} when none does, or there is none.
 */
export async function ping(
  agent: LookupComponents,
  target: string,
  count: number,
  signal: AbortSignal,
): Promise<PingResult> {
  const { engine, directory } = agent;
  const begun = systemClock.monotonic();
  const found = await directory.find(target);
  const others = found.map((host) => host.hit).filter((hit) => hit !== engine.hit);
  if (others.length === 0) throw new IdlocError('own_address', `${target} is this host`);
  const resolvedAt = systemClock.monotonic();
  const up = others.find((hit) => engine.links.isUp(hit));
  const { hit, unanswered } =
    up === undefined ? await linkToFirst(agent, others, target, signal) : { hit: up, unanswered: [] };
  const linkedAt = systemClock.monotonic();
  const rttMs: (number | null)[] = [];
  let firstAt = linkedAt;
  for (let i = 0; i < count && !signal.aborted; i++) {
    if (i > 0) await new Promise<void>((done) => agent.after(ECHO_PAUSE_MS, done));
    rttMs.push(await echo(agent, hit));
    if (i === 0) firstAt = systemClock.monotonic();
  }
  const path = engine.links.snapshotOf(hit)?.path;
  const { natMapping } = engine.links.addresses;
  const nameOf: NameOf = (other) => directory.hostNameOf(engine.userOf(other));
  const nameToHitMs = target.includes(':') ? null : resolvedAt - begun;
  const setup = { nameToHitMs, hitToLinkMs: linkedAt - resolvedAt, firstPacketMs: firstAt - linkedAt };
  return {
    target,
    hit: hitToAddress(hit),
    rttMs,
    path: describePath(path, nameOf),
    direct: path !== undefined && path.type !== 'relay',
    why: path === undefined ? 'no path' : whyPath(path, nameOf, natMapping),
    ...(unanswered.length > 0 && {
      unanswered: unanswered.map(({ hit: other, reason }) => ({ hit: hitToAddress(other), why: reason })),
    }),
    ...(up === undefined && { setup }),
  };
}

function shown(
  { hit, ipv4, user, source }: Found,
  directory: Directory,
): Omit<ResolveResult['hosts'][number], 'linked'> {
  return {
    hit: hitToAddress(hit),
    ipv4: ipv4 ?? null,
    name: directory.hostNameOf(user),
    user: user ?? null,
    saidBy:
      source === undefined
        ? []
        : [
            {
              responder: hitToAddress(source.responder),
              signer: hitToAddress(source.signer),
              ageS: source.ageMs / 1000,
            },
          ],
  };
}

async function linkToFirst(
  { engine, driver, after }: LookupComponents,
  hosts: readonly Hit[],
  target: string,
  signal: AbortSignal,
): Promise<{ readonly hit: Hit; readonly unanswered: readonly Unanswered[] }> {
  const link = (hit: Hit, done: (reason?: string) => void): void => {
    driver.run((now) => {
      engine.resolver.miss(hitToAddress(hit), now, (result) => done(result.ok ? undefined : result.reason));
    });
  };
  const { first, unanswered } = await firstToAnswer(hosts, { link, after, signal });
  if (first !== undefined) return { hit: first, unanswered };
  const [{ reason } = { reason: 'interrupted' }] = unanswered;
  const who =
    hosts.length === 1 ? `${target} does not answer` : `none of the ${hosts.length} hosts of ${target} answers`;
  throw new IdlocError('unreachable', `${who}: ${reason}`);
}

function echo({ engine, driver }: LookupComponents, hit: Hit): Promise<number | null> {
  return new Promise((done) => {
    driver.run((now) => {
      engine.links.echo(hit, now, (rttMs) => done(rttMs ?? null));
    });
  });
}
