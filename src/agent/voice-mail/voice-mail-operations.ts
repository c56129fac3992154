import type { ControlHandlers } from '../../control/schemas.ts';
import type { VoiceMail } from './voice-mail.ts';

/** What local clients may ask of the user's mailbox. */
export function voiceMailHandlers(
  mail: VoiceMail,
): Pick<ControlHandlers, 'voicemail' | 'readVoicemail' | 'removeVoicemail'> {
  return {
    voicemail: async () => ({ messages: [...(await mail.list())], problem: mail.problem }),
    readVoicemail: async ({ id }) => {
      const message = await mail.idOf(id);
      const ogg = await mail.read(message);
      await mail.markHeard([message]);
      return { id: message, ogg: Buffer.from(ogg).toString('base64') };
    },
    removeVoicemail: async ({ ids }) => ({ removed: await mail.removed(ids) }),
  };
}
