import test from 'ava';
import { echoOverDtls } from './support/dtls-echo.ts';
import { INTEROP_DIRECTORY, setUpPart } from './support/foreign-program.ts';

const run = setUpPart('pyopenssl') ? test : test.skip;

for (const ourRole of ['controlling', 'controlled'] as const) {
  for (const closer of ['we', 'they'] as const) {
    const dtlsRole = ourRole === 'controlling' ? 'server' : 'client';
    run(`we as ${ourRole} DTLS ${dtlsRole} and aioice with pyOpenSSL exchange records until ${closer} close`, (t) =>
      echoOverDtls(t, {
        command: [
          `${INTEROP_DIRECTORY}.venv/bin/python`,
          `${INTEROP_DIRECTORY}aioice/dtls_peer.py`,
          ourRole === 'controlling' ? 'controlled' : 'controlling',
          '127.0.0.1',
        ],
        ourRole,
        closer,
        suite: 'ECDHE-ECDSA-AES128-GCM-SHA256',
        closedWord: 'close_notify',
      }),
    );
  }
}
