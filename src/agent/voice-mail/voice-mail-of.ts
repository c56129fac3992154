import type { Clock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { callerName } from '../../sip/callers.ts';
import type { Driver } from '../driver.ts';
import type { Engine } from '../engine.ts';
import type { Host } from '../host.ts';
import { mailOverlay } from './mail-overlay.ts';
import { VoiceMail } from './voice-mail.ts';

/** Voice mail of a member, as its settings say. @param overlay what it is called */
export function voiceMailOf(
  { engine, driver, clock, host }: { engine: Engine; driver: Driver; clock: Clock; host: Host },
  overlay: string,
): VoiceMail {
  const { config, state, identity, logger, guard } = host;
  const { gateways = [], callers } = config.sip;
  const blocked = new Set(callers.block.map(callerName));
  return new VoiceMail(
    {
      overlay: mailOverlay({
        node: () => (engine.overlay?.state === 'joined' ? engine.overlay : undefined),
        nodeId: identity.hit,
        overlay,
        user: () => engine.membership.user,
        isRevoked: (nodeId) => engine.membership.revoked.has(nodeId),
        run: (input) => {
          driver.run(input);
        },
      }),
      ...{ identity, state, clock, random: systemRandom, logger },
      after: (ms, then) => guard.after('voice mail', ms, then),
      isWelcome: (names) => !names.flatMap((name) => namesOf(name, overlay)).some((name) => blocked.has(name)),
    },
    { settings: config.voiceMail, gateways: gateways.map((label) => `${label}@${overlay}`) },
  );
}

/** As settings may write it: a member with the overlay's name or without. */
function namesOf(name: string, overlay: string): string[] {
  const full = callerName(name);
  const [label, domain] = full.split('@');
  return label !== undefined && domain === overlay ? [full, label] : [full];
}
