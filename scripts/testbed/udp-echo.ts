/** Answers every datagram with itself: `udp-echo.ts PORT`. Prints "ready" once bound. */
import { createSocket } from 'node:dgram';

const socket = createSocket('udp6');
socket.on('message', (data, from) => socket.send(data, from.port, from.address));
socket.bind(Number(process.argv[2]), '::', () => process.stdout.write('ready\n'));
