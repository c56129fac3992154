import { hostname } from 'node:os';
import { systemClock } from '../base/clock.ts';
import { IdlocError } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { selfSignedCertificate } from '../identity/certificate-issuer.ts';
import type { Membership as Enrolled } from '../identity/enrollment.ts';
import { isUserOf, labelOfMachine } from '../identity/names.ts';
import type { Ticket } from '../identity/ticket.ts';
import type { Lifecycle } from '../membership/lifecycle.ts';
import { Driver } from './driver.ts';
import { Enroller } from './enroller.ts';
import type { Ground } from './ground.ts';
import type { Host } from './host.ts';
import { nat64Needed } from './nat64-lookup.ts';
import { TurnServers } from './turn-servers.ts';

/** The inviter has not let us in by then: UDP may be blocked. A server that gives us an address twice in a row is slow with the second. */
const TURN_AFTER_MS = 2_000;

/**
 * `alice` in the overlay `home.example` is the user `alice@home.example`, and so has the host name `alice.home.example`.
 * @throws {IdlocError} `bad_user`, when the settings name a user of another domain.
 */
export function userName(config: AgentConfig, overlay: string): string | null {
  if (config.user !== null) {
    if (isUserOf(config.user, overlay)) return config.user;
    throw new IdlocError('bad_user', `${config.user} is no user of ${overlay}: use a name such as alice@${overlay}`);
  }
  const name = config.name ?? labelOfMachine(hostname());
  return name === undefined ? null : `${name}@${overlay}`;
}

/**
 * Asks the members that the ticket names to be let in. The ground is free for a life afterwards.
 * @param wanted.user the name to ask for; null: none.
 * @throws {EnrollmentError} when they refuse; {IdlocError} `enrollment_timeout` when nobody answers, `stopped`.
 */
export async function enroll(
  host: Host,
  ground: Ground,
  wanted: { readonly ticket: Ticket; readonly user: string | null; readonly lifecycle: Lifecycle },
): Promise<Enrolled> {
  const { ticket, user, lifecycle } = wanted;
  const { identity, logger, guard, stop } = host;
  const { dataPlane, network } = ground;
  const { overlay } = ticket;
  const random = systemRandom;
  const nat64 = await nat64Needed(() => network.locators());
  logger.info('enrolling', { overlay });
  const certificate = selfSignedCertificate(identity, { overlay, user: null, wallNow: systemClock.wall(), random });
  dataPlane.setCredentials([certificate], identity.pkcs8);
  const places = ground.meetingPlaces(ticket.mainline ? 'mainline' : 'none', overlay);
  const enroller = new Enroller(
    {
      ...{ dataPlane, identity, lifecycle, random, clock: systemClock, logger },
      places: places.open,
      onForeign: (data, remote) => places.receive(data, remote),
    },
    { ticket, user },
  );
  const driver = new Driver(enroller, systemClock, guard);
  const askServers = (): void => {
    // Never rejects.
    const { addresses, turn } = enroller.links;
    void new TurnServers(host.config.turn, logger).lookUp(addresses).then((servers) => {
      driver.feed('TURN servers', (now) => turn.setServers(servers, now));
    });
  };
  const unanswered = setTimeout(askServers, TURN_AFTER_MS);
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(unanswered);
      driver.stop();
    };
    const giveUp = (): void => {
      end();
      reject(new IdlocError('stopped', 'stopped before the overlay let us in'));
    };
    if (stop.aborted) {
      giveUp();
      return;
    }
    stop.addEventListener('abort', giveUp, { once: true });
    places.onEvents((input) => driver.feed('meeting place', input));
    dataPlane.onWake(() => driver.feed('data plane', (now) => void enroller.drainEvents(now)));
    driver.readFirst((now) => enroller.drainEvents(now));
    driver.run((now) => {
      enroller.links.setHostAddresses(network.locators(), now);
      enroller.links.addresses.setNat64(nat64);
      enroller.start(now, (result) => {
        stop.removeEventListener('abort', giveUp);
        end();
        if (result.ok) resolve(result.membership);
        else reject(result.error);
      });
    });
  });
}
