import { Linphone } from '../linphone.ts';
import { Phone } from '../phone.ts';
import { TUN_NAME } from '../agent.ts';
import type { LabPhone, PhoneMaker, PhonePlace } from './lab-phone.ts';
import { Pjsua } from './pjsua.ts';
import { Sipp } from './sipp.ts';
import { Twinkle } from './twinkle.ts';

const REGISTER_TIMEOUT_MS = 10_000;

/** In the order of the tables, with the family of its own choice: what it takes where a name has both. @param talkMs of a phone that is not told when to hang up */
export function knownPhones(talkMs: number): ReadonlyMap<string, PhoneMaker> {
  return new Map<string, PhoneMaker>([
    ['baresip', baresip],
    ['linphone', linphone],
    ['twinkle', async (place) => Twinkle.start(place)],
    ['sipp', async (place) => Sipp.start(place, talkMs)],
    ['pjsua', async (place) => Pjsua.start(place)],
  ]);
}

async function baresip(place: PhonePlace): Promise<LabPhone> {
  const phone = await Phone.start({
    ...place,
    addressOfRecord: `${place.user}@${place.domain}`,
    family: 4,
    interfaceName: TUN_NAME,
    speech: place.speech.mono,
    registers: 'any',
    // Of the others not all know Opus, and a file has the channels of one codec alone.
    codecs: 'PCMU/8000/1',
  });
  await phone.registered(REGISTER_TIMEOUT_MS);
  return {
    dial: async (uri) => phone.dial(uri),
    established: async (timeoutMs) => phone.established(timeoutMs),
    hangUp: async () => phone.hangUp(),
    ended: async (timeoutMs) => {
      await phone.next('CALL_CLOSED', timeoutMs);
    },
    stop: async () => phone.stop(),
  };
}

async function linphone(place: PhonePlace): Promise<LabPhone> {
  const phone = await Linphone.start({
    ...place,
    addressOfRecord: `${place.user}@${place.domain}`,
    transport: 'udp',
    speech: place.speech.wideband,
  });
  return {
    dial: async (uri) => {
      phone.dial(uri);
      return Promise.resolve();
    },
    established: async (timeoutMs) => phone.established(timeoutMs),
    hangUp: async () => {
      phone.hangUp();
      return Promise.resolve();
    },
    ended: async (timeoutMs) => phone.logs(/LinphoneCallReleased|LinphoneCallEnd/, timeoutMs),
    stop: async () => phone.stop(),
  };
}
