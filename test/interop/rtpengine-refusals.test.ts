import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { udpFlow } from '../../src/sip/flow.ts';
import type { SipRequest } from '../../src/sip/message/message.ts';
import { CallDialogs } from '../../src/sip/trunk/call-dialogs.ts';
import { CallMedia } from '../../src/sip/trunk/call-media.ts';
import type { CallSide, End } from '../../src/sip/trunk/call-side.ts';
import { DOES } from '../../src/sip/trunk/passing.ts';
import { InteropRtpengine } from './support/rtpengine.ts';
import { within } from './support/within.ts';

/** What was offered to Debian's rtpengine and refused is taken back as `CallMedia` does it. */

const present = InteropRtpengine.isInstalled;
if (!present) console.log('skipped: rtpengine is not installed');
const run = present ? test.serial : test.skip;
const rtpengine = present ? new InteropRtpengine(45_422) : undefined;

test.before(async () => rtpengine?.isThere());
test.after.always(() => rtpengine?.stop());

const HEADER_BYTES = 12;

/** A phone's media: PCMU, each packet all of one letter. */
class Speaker {
  readonly heard: string[] = [];
  readonly sdp: string;
  private readonly socket: Socket;
  private readonly letter: string;
  private sequence = 1;

  private constructor(socket: Socket, letter: string) {
    this.socket = socket;
    this.letter = letter;
    const { address, port } = socket.address();
    const lines = ['v=0', `o=- 1 1 IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0'];
    this.sdp = [...lines, `m=audio ${port} RTP/AVP 0`, ''].join('\r\n');
    socket.on(
      'message',
      (packet: Buffer) => void this.heard.push(packet.toString('latin1', HEADER_BYTES, HEADER_BYTES + 1)),
    );
  }

  static async at(address: string, letter: string): Promise<Speaker> {
    const socket = createSocket('udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    return new Speaker(socket, letter);
  }

  /** @param told where it is to speak to */
  say(told: string): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = 0x80;
    header.writeUInt16BE((this.sequence += 1), 2);
    header.writeUInt32BE(this.sequence * 160, 4);
    header.writeUInt32BE(this.letter.charCodeAt(0), 8);
    const to = /^c=IN IP4 (\S+)[^]*^m=audio (\d+)/m.exec(told);
    this.socket.send(Buffer.concat([header, Buffer.alloc(160, this.letter)]), Number(to?.[2]), to?.[1]);
  }

  close(): void {
    this.socket.close();
  }
}

run(
  'an offer of who would take the place of an end is refused: those who were in the call hear each other again',
  async (t) => {
    const media = rtpengine?.media('rtp');
    const [alice, bob] = [await Speaker.at('127.0.0.2', 'a'), await Speaker.at('127.0.0.2', 'b')];
    const number = await Speaker.at('127.0.0.1', 'n');
    t.teardown(() => [alice, bob, number].forEach((speaker) => speaker.close()));
    const side = (where: CallSide['where']): CallSide =>
      ({ where, from: where === 'inside' ? 'overlay' : 'outside', does: DOES[where] }) as CallSide;
    const flow = udpFlow({ local: { address: '127.0.0.1', port: 1 }, remote: { address: '127.0.0.1', port: 2 } });
    const dialogs = new CallDialogs(
      { caller: side('inside'), callee: side('outside') },
      {
        ...{
          id: '7',
          callIds: { caller: '1', callee: '2' },
          tags: { caller: 'alice', own: 'own' },
          isEmergency: false,
        },
        names: { from: '', to: '', calledAs: '', callerFrom: '' },
        ...{ caller: { target: '', routes: [], isAnswered: true }, flows: { caller: flow, callee: flow } },
      },
    );
    const call = new CallMedia({ media, dialogs });
    const tell = (
      kind: 'offer' | 'answer',
      from: End,
      { sdp }: Speaker,
      tags?: { caller: string; callee: string },
    ): Promise<string> => {
      const headers = [
        { name: 'CSeq', value: '1 INVITE' },
        { name: 'Content-Type', value: 'application/sdp' },
      ];
      const invite: SipRequest = { type: 'request', method: 'INVITE', uri: '', headers, body: Buffer.from(sdp) };
      const tag = kind === 'offer' && tags === undefined ? undefined : 'number';
      const ends = tags && { ...dialogs.endsOf(tag), tags };
      const told = new Promise<string>((resolve) => {
        call.translate(from, invite, kind, tag, 0, (body) => resolve(Buffer.from(body ?? []).toString()), ends);
      });
      return within(told, kind);
    };
    const offered = await tell('offer', 'caller', alice);
    const answered = await tell('answer', 'callee', number);
    const talk = async (): Promise<string[]> => {
      for (const { heard } of [alice, bob, number]) heard.length = 0;
      for (let packet = 0; packet < 20; packet += 1) {
        alice.say(answered);
        number.say(offered);
        await delay(10);
      }
      await delay(200);
      return [alice, bob, number].map(({ heard }) => [...new Set(heard)].join(''));
    };
    t.deepEqual(await talk(), ['n', '', 'a']);
    await tell('offer', 'caller', bob, { caller: 'bob', callee: 'number' });
    t.deepEqual((await talk()).slice(0, 2), ['', 'n'], 'rtpengine does as the last offer says');
    call.putBack('number');
    await delay(300);
    t.deepEqual(await talk(), ['n', '', 'a']);
  },
);
