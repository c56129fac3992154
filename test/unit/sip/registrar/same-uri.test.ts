import test from 'ava';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { sameUri } from '../../../../src/sip/registrar/same-uri.ts';

function same(a: string, b: string): boolean | undefined {
  const [first, second] = [parseUri(a), parseUri(b)];
  return first && second && sameUri(first, second);
}

test('the URIs of RFC 3261 s19.1.4 that are the same are the same', (t) => {
  const pairs = [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'],
    ['sip:a@[2001:21:0::1]', 'sip:a@[2001:21::1]'],
  ] as const;
  for (const [a, b] of pairs) {
    t.true(same(a, b), `${a} ${b}`);
    t.true(same(b, a), `${b} ${a}`);
  }
});

test('the URIs of RFC 3261 s19.1.4 that are not the same are not', (t) => {
  const pairs = [
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:carol@chicago.com', 'sips:carol@chicago.com'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;maddr=10.0.0.1'],
    ['sip:carol:secret@chicago.com', 'sip:carol@chicago.com'],
  ] as const;
  for (const [a, b] of pairs) {
    t.false(same(a, b), `${a} ${b}`);
    t.false(same(b, a), `${b} ${a}`);
  }
});
