// Asking what a policy would say, without anything being done: of an address, of a command.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { canRead, isOperator, useAccess } from './access.ts';
import type { Inspection } from './answers.ts';
import { shown } from './format.ts';
import { Badge, Card, Problem } from './parts.tsx';

interface Verdict {
  readonly verdict: string;
  readonly reason: string;
  readonly rule: string;
  readonly remedy?: string | undefined;
  readonly address?: string | undefined;
  readonly commands?: readonly string[];
}

interface ExplainProps {
  readonly title: string;
  readonly label: string;
  readonly placeholder: string;
  readonly ask: (text: string) => Promise<Verdict>;
  readonly children?: ComponentChildren;
}

export function Explain({ title, label, placeholder, ask, children }: ExplainProps) {
  const [text, setText] = useState('');
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const explain = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      setVerdict(await ask(text));
    } catch (problem) {
      setVerdict(null);
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <Card title={title}>
      <form
        class="explain"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== '') void explain();
        }}
      >
        <input
          type="text"
          aria-label={label}
          placeholder={placeholder}
          value={text}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        {children}
        <button type="submit" disabled={isBusy || text.trim() === ''}>
          Explain
        </button>
      </form>
      <div aria-live="polite">
        <Problem error={error} />
        {verdict !== null && (
          <div class="verdict">
            <Badge text={verdict.verdict} />
            <span>{shown(verdict.reason)}</span>
            <span class="label">{shown(verdict.rule)}</span>
            {verdict.address !== undefined && <span class="label">{shown(verdict.address)}</span>}
            {verdict.remedy !== undefined && <p class="muted small">{shown(verdict.remedy)}</p>}
            {(verdict.commands?.length ?? 0) > 0 && (
              <p class="muted small">Read as: {verdict.commands?.map((command) => shown(command, { max: 100 })).join(' · ')}</p>
            )}
          </div>
        )}
      </div>
    </Card>
  );
}

/** What this sandbox's egress policy says of an address. */
export function ExplainHost({ sandbox }: { readonly sandbox: Inspection }) {
  const access = useAccess();
  if (!canRead(access)) return null;
  const ask = async (url: string): Promise<Verdict> => {
    const params = { sandbox: sandbox.id, url };
    if (isOperator(access)) return await access.control.call('egress.explain', params);
    await access.work.join(sandbox, false, 'participant');
    return await access.work.call('egress.explain', params);
  };
  return (
    <Explain
      title="What would be said of"
      label="URL or host:port"
      placeholder="https://pypi.org/simple or db.example.com:5432"
      ask={ask}
    />
  );
}

/** What this sandbox's rules say of a command. */
export function ExplainCommand({ sandbox }: { readonly sandbox: Inspection }) {
  const access = useAccess();
  if (!canRead(access)) return null;
  const ask = async (command: string): Promise<Verdict> => {
    const params = { sandbox: sandbox.id, command };
    if (isOperator(access)) return await access.control.call('permissions.explain', params);
    await access.work.join(sandbox, false, 'participant');
    return await access.work.call('permissions.explain', params);
  };
  return <Explain title="What would be said of" label="Command" placeholder="npm publish && rm -rf build" ask={ask} />;
}
