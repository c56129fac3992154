import test from 'ava';
import { echoOverDtls } from './support/dtls-echo.ts';
import { INTEROP_DIRECTORY, setUpPart } from './support/foreign-program.ts';

const run = setUpPart('pion-dtls') ? test : test.skip;

for (const ourRole of ['controlling', 'controlled'] as const) {
  for (const closer of ['we', 'they'] as const) {
    const dtlsRole = ourRole === 'controlling' ? 'server' : 'client';
    run(`we as ${ourRole} DTLS ${dtlsRole} and pion connect and exchange records until ${closer} close`, (t) =>
      echoOverDtls(t, {
        command: [`${INTEROP_DIRECTORY}pion-dtls/pion-dtls`, ourRole === 'controlling' ? 'controlled' : 'controlling'],
        ourRole,
        closer,
        suite: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
        closedWord: 'EOF',
      }),
    );
  }
}
