// Who may import whom (docs/architecture.md). A lower folder never calls up: it returns events.
const layers = {
  base: [],
  reload: ['base'],
  stun: ['base'],
  turn: ['base', 'stun'],
  identity: ['base'],
  native: ['base'],
  ice: ['base', 'stun'],
  link: ['base', 'native', 'ice', 'stun', 'reload', 'identity', 'mobility', 'turn'],
  overlay: ['base', 'reload', 'identity'],
  membership: ['base', 'reload', 'identity', 'config', 'overlay'],
  tunnel: ['base', 'native', 'identity'],
  rendezvous: ['base'],
  portmap: ['base', 'mobility'],
  mobility: ['base', 'ice', 'stun'],
  resolver: ['base', 'identity', 'overlay', 'link', 'tunnel'],
  dns: ['base', 'identity', 'resolver'],
  sip: ['base', 'reload', 'identity', 'overlay'],
  config: ['base', 'reload', 'identity'],
  control: ['base'],
  machine: ['base'],
  cli: ['base', 'config', 'control', 'agent', 'identity', 'reload'],
};
const forbidden = Object.entries(layers).map(([from, to]) => ({
  name: `${from}-imports`,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: { path: '^src/', pathNot: `^src/(${[from, ...to].join('|')})/` },
}));
forbidden.push(
  { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  {
    name: 'agent-only-from-up',
    severity: 'error',
    from: { path: '^src/cli/', pathNot: '^src/cli/up\\.ts$' },
    to: { path: '^src/agent/' },
  },
  {
    name: 'addon-only-from-native',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/native/' },
    to: { path: 'node-gyp-build' },
  },
  {
    name: 'sockets-only-outside-state-machines',
    severity: 'error',
    from: {
      path: '^src/(stun|turn|ice|reload|link|overlay|mobility|portmap|rendezvous|tunnel|resolver|identity|membership|sip)/',
    },
    to: { path: '^(node:)?(net|dgram|child_process|http|https|tls)$' },
  },
);
module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
