// Questions that wait for a person, and the buttons that answer them.

import { useState } from 'preact/hooks';
import type { ConfirmRequest } from '../client/protocol/confirm.ts';
import { useAccess } from './access.ts';
import { duration, shown } from './format.ts';
import { useLiveContext } from './live.ts';
import { linkTo } from './location.ts';
import { Card, Empty, Loading, PageHead, Problem, Scroll } from './parts.tsx';
import { useNow } from './polling.ts';

type Answer = 'allow-once' | 'allow-session' | 'deny';

export function ConfirmationsPage() {
  const { confirmations } = useLiveContext();
  const now = useNow();
  if (confirmations === null)
    return (
      <>
        <PageHead title="Confirmations" />
        <Empty>Only operators see and answer the questions of all sessions. Those of a session go to the client that controls it.</Empty>
      </>
    );
  const { value, error, refresh } = confirmations;
  return (
    <>
      <PageHead title="Confirmations">
        <span class="muted" role="status">
          {value === null ? '' : `${value.length} waiting`}
        </span>
      </PageHead>
      <Problem error={error} />
      {value === null && error === null && <Loading />}
      {value?.length === 0 && <Empty>Nothing waits for an answer.</Empty>}
      <div class="questions">
        {value?.map((request) => (
          <Question key={request.id} request={request} now={now} onAnswered={refresh} />
        ))}
      </div>
    </>
  );
}

function Question({
  request,
  now,
  onAnswered,
}: {
  readonly request: ConfirmRequest;
  readonly now: number;
  readonly onAnswered: () => void;
}) {
  const { http } = useAccess();
  const [error, setError] = useState<unknown>(null);
  const [answered, setAnswered] = useState<Answer | null>(null);
  const { id, kind, sandboxId, session, tool, summary, arguments: args, rule, reason, expiresAt } = request;
  const answer = async (answer: Answer): Promise<void> => {
    setAnswered(answer);
    setError(null);
    try {
      await http.post(`/v1/confirmations/${encodeURIComponent(id)}`, { answer });
    } catch (problem) {
      setError(problem);
      setAnswered(null);
    }
    onAnswered();
  };
  const left = Date.parse(expiresAt) - now;
  return (
    <Card
      title={<code class="command-title">{shown(summary, { max: 400 })}</code>}
      tools={<span class={`badge ${left < 15_000 ? 'fail' : 'warn'}`}>{left > 0 ? `${duration(left)} left` : 'too late'}</span>}
    >
      <p>
        <span class="label">{kind}</span> <span class="label">{shown(tool)}</span> {shown(reason)}
      </p>
      <p class="muted small">
        Session <a href={linkTo('sandboxes', sandboxId)}>{shown(session)}</a>, rule {shown(rule)}
      </p>
      <details>
        <summary>Arguments</summary>
        <Scroll label="Arguments">
          <pre>{shown(JSON.stringify(args, null, 2), { max: 20_000, isBlock: true })}</pre>
        </Scroll>
      </details>
      <Problem error={error} />
      <div class="answers">
        <button type="button" class="danger" disabled={answered !== null} onClick={() => void answer('deny')}>
          Deny
        </button>
        <button type="button" disabled={answered !== null} onClick={() => void answer('allow-session')}>
          Allow for the session
        </button>
        <button type="button" class="primary" disabled={answered !== null} onClick={() => void answer('allow-once')}>
          Approve once
        </button>
      </div>
    </Card>
  );
}
