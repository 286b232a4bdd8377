// The configuration in force, what it says of an address, and taking a change of it in or back.

import { useState } from 'preact/hooks';
import type { ConfigChange, ConfigInForce } from '../client/protocol/operate.ts';
import { canAct, canRead, isOperator, useAccess } from './access.ts';
import { Dialog } from './dialog.tsx';
import { Explain } from './explain.tsx';
import { short, shown } from './format.ts';
import { Card, Empty, Loading, PageHead, Problem, Scroll } from './parts.tsx';
import { usePolling } from './polling.ts';

const BUILT_IN = ['workspace-write', 'workspace-write-no-network', 'readonly'];

export function PolicyPage() {
  const access = useAccess();
  const [profile, setProfile] = useState('workspace-write');
  const [allow, setAllow] = useState('');
  const mayRead = isOperator(access) && canAct(access);
  const config = usePolling<ConfigInForce | null>(
    'config',
    async (signal) => (mayRead ? await access.http.get<ConfigInForce>('/v1/config', signal) : null),
    10_000,
  );
  const [asking, setAsking] = useState<'reload' | 'revert' | null>(null);
  const [change, setChange] = useState<ConfigChange | null>(null);
  const own = Object.keys(config.value?.config['profiles'] ?? {});
  const act = async (what: 'reload' | 'revert'): Promise<void> => {
    setChange(await access.http.post<ConfigChange>(`/v1/config/${what}`, {}));
    config.refresh();
  };
  return (
    <>
      <PageHead title="Policy">
        {mayRead && (
          <>
            <button type="button" onClick={() => setAsking('reload')}>
              Read it again
            </button>
            {config.value?.canRevert === true && (
              <button type="button" onClick={() => setAsking('revert')}>
                Take the change back
              </button>
            )}
          </>
        )}
      </PageHead>
      {canRead(access) ? (
        <Explain
          title="What would a session be told that asked for"
          label="URL or host:port"
          placeholder="https://pypi.org/simple"
          ask={(url) => {
            const hosts = allow.split(/[\s,]+/).filter((host) => host !== '');
            return access.control.call('policy.explain', {
              url,
              profile: profile,
              ...(hosts.length === 0 ? {} : { allow: hosts }),
            });
          }}
        >
          <select aria-label="Profile" value={profile} onChange={(event) => setProfile(event.currentTarget.value)}>
            {[...BUILT_IN, ...own].map((name) => (
              <option key={name} value={name}>
                {shown(name)}
              </option>
            ))}
          </select>
          <input
            type="text"
            aria-label="Hosts it asks to allow"
            placeholder="allow: pypi.org *.github.com"
            value={allow}
            spellcheck={false}
            onInput={(event) => setAllow(event.currentTarget.value)}
          />
        </Explain>
      ) : (
        <Empty>An observer can not ask what a policy would say.</Empty>
      )}
      {change !== null && (
        <div class="notice good" role="status">
          {change.changed.length === 0 ? 'Nothing differs from before.' : `Changed: ${change.changed.map((key) => shown(key)).join(', ')}.`}{' '}
          Now {short(change.sha256)}.
        </div>
      )}
      <Problem error={config.error} />
      {!mayRead ? (
        <Empty>Only operators see the configuration.</Empty>
      ) : config.value === null ? (
        config.error === null && <Loading />
      ) : (
        <Card title="Configuration in force" tools={<span class="label">{short(config.value.sha256, 20)}</span>} flush>
          {Object.entries(config.value.config).map(([key, value]) => (
            <details key={key} class="config">
              <summary>
                <b class="kind">{shown(key)}</b> <span class="about muted">{shown(JSON.stringify(value), { max: 110 })}</span>
              </summary>
              <Scroll label={key}>
                <pre>{shown(JSON.stringify(value, null, 2), { max: 40_000, isBlock: true })}</pre>
              </Scroll>
            </details>
          ))}
        </Card>
      )}
      {asking === 'reload' && (
        <Dialog title="Read the configuration again?" action="Read it" onDone={() => setAsking(null)} onAct={() => act('reload')}>
          <p>A bad one changes nothing and says why. Sessions that run are only ever narrowed by it.</p>
        </Dialog>
      )}
      {asking === 'revert' && (
        <Dialog title="Take the last change back?" action="Take it back" onDone={() => setAsking(null)} onAct={() => act('revert')}>
          <p>The configuration before the last change is in force again.</p>
        </Dialog>
      )}
    </>
  );
}
