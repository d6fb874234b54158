import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['.venv/**', 'runs/**'] },
  js.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { 'no-undef': 'error', 'no-unused-vars': 'error', 'prefer-const': 'error' },
  },
  { files: ['assets/web/core/**'], languageOptions: { globals: { URLSearchParams: 'readonly', atob: 'readonly' } } },
  { files: ['assets/web/{view,lesson,table,report,page,pictures,settings,tab}/**'], languageOptions: { globals: globals.browser } },
  {
    // What the functions that the scripts are the bodies of are given.
    files: ['assets/web/frame.js'],
    languageOptions: {
      globals: { element: 'readonly', props: 'readonly', server: 'readonly', trigger: 'readonly', watch: 'readonly' },
    },
  },
  { files: ['assets/web/report/**'], languageOptions: { globals: { Plotly: 'readonly' } } },
  { files: ['tests/web/{panels,draw}.js'], languageOptions: { globals: globals.browser } },
  { files: ['tests/web/{made,*.test}.js', 'eslint.config.js'], languageOptions: { globals: globals.node } },
];
