import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

import svelteConfig from './svelte.config.js';

const features = ['nodes', 'terminal', 'tunnels', 'bookmarks', 'profiles', 'settings', 'palette'];

/** A feature sees lib, backend, actions and errors; views alone sees the features. */
const walls = features.map((feature) => ({
  files: [`src/${feature}/**`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: [...features.filter((f) => f !== feature).map((f) => `**/${f}/*`)],
            message: 'Features never know one another.',
          },
          { group: ['**/views/*', '**/mock/*'], message: 'The frame knows features, not the reverse.' },
          { group: ['@tauri-apps/*'], message: 'backend.ts is the only importer of the shell.' },
        ],
      },
    ],
  },
}));

export default ts.config(
  { ignores: ['dist', 'dist-mock', 'shots', 'node_modules', 'src/bindings.ts'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser },
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', 'scripts/*.mjs'] },
        extraFileExtensions: ['.svelte'],
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'svelte/require-each-key': 'error',
      'max-lines': ['error', { max: 350, skipBlankLines: false }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      // `void x` in an effect says what it depends on.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Collections are replaced whole, never changed in place.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: ['**/*.svelte'],
    rules: {
      'max-lines': ['error', { max: 250 }],
      'prefer-const': 'off',
      // The linter sees a component's props as `any`; svelte-check sees their types.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      'svelte/no-unused-svelte-ignore': 'off',
    },
  },
  {
    files: ['src/lib/**', 'src/actions.ts', 'src/errors.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [...features, 'views', 'mock'].map((f) => ({
            group: [`**/${f}/*`],
            message: 'Widgets know no feature.',
          })),
        },
      ],
    },
  },
  ...walls,
  {
    files: ['src/views/**', 'src/main.ts', 'src/App.svelte'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['@tauri-apps/*', '**/mock/*'] }] },
  },
  { files: ['**/*.test.ts'], rules: { '@typescript-eslint/no-non-null-assertion': 'off' } },
  {
    files: ['**/*.js', 'scripts/**', '*.ts'],
    ...ts.configs.disableTypeChecked,
    languageOptions: { globals: { ...globals.node } },
  },
);
