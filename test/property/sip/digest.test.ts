import { fc, testProp } from '@fast-check/ava';
import { seededRandom } from '../../../src/base/random.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { Authenticator } from '../../../src/sip/digest/authenticator.ts';
import { parseCredentials, realmOf } from '../../../src/sip/digest/credentials.ts';
import { digestResponse, ha1Of } from '../../../src/sip/digest/digest.ts';
import { decodeNg } from '../../../src/sip/media/ng-codec.ts';
import { request } from '../../sim/sip/messages.ts';

const text = fc.string({ unit: fc.constantFrom(...Array.from('Digest ,="\\abrealm=nonce:;<>%é')) });

testProp('credentials of any text are read or not, and nothing else', [text], (t, value) => {
  for (const written of [value, `Digest ${value}`]) {
    t.notThrows(() => parseCredentials(written));
    t.notThrows(() => realmOf(written));
  }
});

testProp(
  'whatever stands in the fields of credentials, nobody is known without the password, and who has it is',
  [fc.stringMatching(/^[ -~]{0,20}$/), fc.stringMatching(/^[ -~]{0,20}$/)],
  (t, name, guess) => {
    const realm = 'home.example';
    const at = new Authenticator(
      { random: seededRandom(1) },
      {
        realm,
        users: [{ name: 'kitchen', ha1: { 'SHA-256': undefined, MD5: ha1Of('MD5', 'kitchen', realm, 'secret') } }],
      },
    );
    const asked = at.check(request('INVITE'), '192.168.1.9', 0);
    const nonce = /nonce="([^"]+)"/.exec(asked.type === 'refused' ? (asked.headers[0]?.value ?? '') : '')?.[1] ?? '';
    const answer = (user: string, password: string): string => {
      const input = { method: 'INVITE', uri: 'sip:bob@home.example', nonce };
      const response = digestResponse('MD5', ha1Of('MD5', user, realm, password), input);
      const quoted = user.replaceAll(/[\\"]/g, '\\$&');
      const params = `username="${quoted}", realm="${realm}", nonce="${nonce}", uri="${input.uri}", response="${response}"`;
      return `Proxy-Authorization: Digest ${params}`;
    };
    const verdict = (header: string): string =>
      at.check(request('INVITE', { headers: [header] }), '192.168.1.9', 0).type;
    if (name !== 'kitchen' || guess !== 'secret') t.is(verdict(answer(name, guess)), 'refused');
    t.is(verdict(answer('kitchen', 'secret')), 'known');
  },
);

testProp('any bytes are an answer of rtpengine, or malformed', [fc.uint8Array({ maxLength: 200 })], (t, bytes) => {
  for (const written of [bytes, Buffer.concat([Buffer.from('c d6:result'), bytes])]) {
    try {
      decodeNg(written);
    } catch (error) {
      t.true(error instanceof MalformedMessageError);
    }
  }
  t.pass();
});
