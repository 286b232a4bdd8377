// The console: starts it.

import { render } from 'preact';
import { App } from './app.tsx';
import { keepStylesStrict } from './strict-styles.ts';

keepStylesStrict();
const root = document.getElementById('console');
if (root !== null) render(<App />, root);
