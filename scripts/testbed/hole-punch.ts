/**
 * Both sides send from a known port to the other's router until they hear each other (RFC 5389's oldest trick):
 * `hole-punch.ts LOCAL_PORT REMOTE_ADDRESS REMOTE_PORT COUNT`. Prints {rttMs: [...]}; exit status 1: never heard.
 */
import { createSocket } from 'node:dgram';

const INTERVAL_MS = 20;
const GIVE_UP_MS = 3000;
/** Goes on answering for the other side once its own count is reached. */
const LINGER_MS = 1000;

const [localPort = '', remote = '', remotePort = '', count = '1'] = process.argv.slice(2);
const socket = createSocket('udp4');
const sentAt = new Map<number, number>();
const rttMs: number[] = [];
let sequence = 0;
let answeredAt = -Infinity;

function ask(): void {
  sequence += 1;
  sentAt.set(sequence, performance.now());
  socket.send(`? ${sequence}`, Number(remotePort), remote);
}

function finish(status: number): void {
  process.stdout.write(`${JSON.stringify({ rttMs })}\n`);
  process.exit(status);
}

socket.on('message', (data, from) => {
  const [kind = '', number = ''] = data.toString().split(' ');
  if (kind === '?') socket.send(`! ${number}`, from.port, from.address);
  const asked = sentAt.get(Number(number));
  if (kind !== '!' || asked === undefined) return;
  answeredAt = performance.now();
  rttMs.push(answeredAt - asked);
  if (rttMs.length < Number(count)) ask();
  else if (rttMs.length === Number(count)) setTimeout(() => finish(0), LINGER_MS);
});
// Until the hole is open, and again when a packet was lost; else each answer asks the next question.
socket.bind(Number(localPort), () =>
  setInterval(() => {
    if (performance.now() - answeredAt > 5 * INTERVAL_MS) ask();
  }, INTERVAL_MS),
);
setTimeout(() => {
  if (rttMs.length === 0) finish(1);
}, GIVE_UP_MS);
