import type { ControlHandlers } from '../../control/schemas.ts';
import type { PhoneFiles } from './phone-files.ts';

/** What local clients may ask of the files of the user's phones. */
export function phoneFileHandlers(
  files: PhoneFiles,
): Pick<ControlHandlers, 'phoneFiles' | 'readPhoneFile' | 'savePhoneFile' | 'removePhoneFiles'> {
  return {
    phoneFiles: async () => {
      await files.upToDate();
      return { files: files.list, problem: files.problem };
    },
    readPhoneFile: async ({ name }) => {
      const { content, ...file } = await files.read(name);
      return { ...file, content: Buffer.from(content).toString('base64') };
    },
    savePhoneFile: async ({ name, content }) => {
      const file = await files.save(name, Buffer.from(content, 'base64'));
      return { ...file, problem: files.problem };
    },
    removePhoneFiles: async ({ names }) => {
      await files.removeAll(names);
      return { removed: [...new Set(names)], problem: files.problem };
    },
  };
}
