import { fc, testProp } from '@fast-check/ava';
import { seededRandom } from '../../../src/base/random.ts';
import { agentConfig } from '../../../src/config/agent-config.ts';
import { ConfigError, OverlayConfigurationError } from '../../../src/config/errors.ts';
import { readOverlayConfiguration } from '../../../src/config/overlay-configuration-reader.ts';
import { signOverlayConfiguration } from '../../../src/config/overlay-configuration-writer.ts';
import { overlayConfiguration } from '../../../src/config/overlay-configuration.ts';
import { escapeXml, parseXml } from '../../../src/config/xml-tree.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';

const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow: Date.UTC(2026, 0, 1), random: seededRandom(8) });
const options = { overlay, authority: authority.fingerprint };
const original = overlayConfiguration({ overlay, bootstrapNodes: [{ address: '192.0.2.1', port: 6084 }] });
const document = signOverlayConfiguration(original, authority);
const expected = readOverlayConfiguration(document, options);

testProp(
  'a mutated document is refused, or says what the signed one says',
  [fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 })],
  (t, changes) => {
    const mutated = document.slice();
    for (const [position, mask] of changes) {
      const at = position % mutated.length;
      mutated[at] = (mutated[at] ?? 0) ^ mask;
    }
    try {
      t.deepEqual(readOverlayConfiguration(mutated, options), expected);
    } catch (error) {
      t.true(error instanceof OverlayConfigurationError, String(error));
    }
  },
);

testProp('any text is XML or an OverlayConfigurationError', [fc.string({ unit: 'binary' })], (t, text) => {
  for (const candidate of [text, `<a>${text}</a>`, `<a x="${text}"/>`, `<${text}>`])
    try {
      t.is(typeof parseXml(Buffer.from(candidate)).name, 'string');
    } catch (error) {
      t.true(error instanceof OverlayConfigurationError, String(error));
    }
});

testProp(
  "an element's source is the bytes between its own brackets",
  [fc.stringMatching(/^[a-z é€😀\r\n\t&<>"']{0,20}$/u), fc.stringMatching(/^[ \n]{0,3}$/)],
  (t, text, space) => {
    const inner = `<b${space} x="${escapeXml(text)}"${space}>${escapeXml(text)}<c/></b${space}>`;
    const tree = parseXml(Buffer.from(`<!-- é😀 <b> -->\r\n<a>${escapeXml(text)}<d/>${inner}${space}</a>`));
    t.is(tree.children[1]?.source, inner);
    t.is(tree.children[0]?.source, '<d/>');
    // XML 1.0 s2.11: line ends are normalised in text, not in the source.
    t.is(tree.children[1]?.text, text.replace(/\r\n?/g, '\n').trim());
  },
);

testProp('any text is a configuration or a ConfigError of one line', [fc.string()], (t, text) => {
  for (const candidate of [text, `[tun]\n${text}`, `name = "${text}"`])
    try {
      t.is(typeof agentConfig({ path: 'config.toml', text: candidate }, {}).listen, 'number');
    } catch (error) {
      t.true(error instanceof ConfigError && !error.message.includes('\n'), String(error));
    }
});
