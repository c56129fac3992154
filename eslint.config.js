import js from '@eslint/js';
import tseslint from 'typescript-eslint';

// Sans-IO state machines own no clock, timer or randomness (docs/architecture.md): the agent hands these in.
const sansIo = [
  ...['stun', 'turn', 'ice', 'reload', 'link', 'overlay', 'mobility', 'tunnel', 'resolver', 'identity'],
  ...['membership', 'sip'],
];

export default tseslint.config(
  { ignores: ['node_modules', 'dist', 'native/build*', 'native/src', 'test/vectors', 'bin'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', '*.cjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  {
    files: sansIo.map((folder) => `src/${folder}/**/*.ts`),
    rules: {
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate', 'performance'],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'time is an argument: take `now`' },
        { object: 'Math', property: 'random', message: 'take a Random from base/random.ts' },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', module: 'writable' } },
  },
);
