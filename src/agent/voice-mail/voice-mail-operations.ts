import type { ControlHandlers } from '../../control/schemas.ts';
import type { VoiceMail } from './voice-mail.ts';

/** What local clients may ask of the user's mailbox. */
export function voiceMailHandlers(
  mail: VoiceMail,
): Pick<ControlHandlers, 'voicemail' | 'readVoicemail' | 'markVoicemailHeard' | 'removeVoicemail'> {
  return {
    voicemail: async () => ({ messages: [...(await mail.list())], problem: mail.problem }),
    readVoicemail: async ({ id }) => {
      const message = await mail.idOf(id);
      const ogg = await mail.read(message);
      return { id: message, ogg: Buffer.from(ogg).toString('base64') };
    },
    markVoicemailHeard: async ({ id }) => {
      await mail.markHeard([await mail.idOf(id)]);
      return {};
    },
    removeVoicemail: async ({ ids }) => ({ removed: await mail.removed(ids) }),
  };
}
