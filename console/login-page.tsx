// Asking for the token. It is typed or pasted here and goes nowhere but into a header.

import { useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

interface LoginProps {
  readonly problem: string | null;
  readonly isBusy: boolean;
  readonly onSignIn: (token: string, isRemembered: boolean) => void;
}

export function LoginPage({ problem, isBusy, onSignIn }: LoginProps) {
  const [token, setToken] = useState('');
  const [isRemembered, setRemembered] = useState(false);
  return (
    <main class="login">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() !== '') onSignIn(token.trim(), isRemembered);
        }}
      >
        <h1>
          <Icon name="arch" /> Cloister
        </h1>
        <p class="muted">Sign in with a token of this daemon.</p>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
          aria-describedby="token-help"
          aria-invalid={problem !== null}
        />
        <p class="muted small" id="token-help">
          <code>cloister token create --tenant NAME --role operator</code> prints one.
        </p>
        <label class="check">
          <input type="checkbox" checked={isRemembered} onChange={(event) => setRemembered(event.currentTarget.checked)} />
          Remember it in this tab until it is closed
        </label>
        {problem !== null && (
          <div class="notice fail" role="alert">
            {problem}
          </div>
        )}
        <button type="submit" class="primary" disabled={isBusy || token.trim() === ''}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
