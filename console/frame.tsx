// What stands around every page: where one is, where one can go, who is signed in.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useAccess } from './access.ts';
import { shown } from './format.ts';
import { Icon, type IconName } from './icon.tsx';
import { refusalText } from './http.ts';
import { useLiveContext } from './live.ts';
import { linkTo, useLocation } from './location.ts';

const PAGES: readonly (readonly [page: string, title: string, icon: IconName])[] = [
  ['overview', 'Overview', 'gauge'],
  ['sandboxes', 'Sandboxes', 'boxes'],
  ['confirmations', 'Confirmations', 'question'],
  ['audit', 'Audit', 'list'],
  ['policy', 'Policy', 'shield'],
  ['doctor', 'Doctor', 'pulse'],
];

type Theme = 'auto' | 'light' | 'dark';
const NEXT: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' };

export function Frame({
  page,
  onSignOut,
  children,
}: {
  readonly page: string;
  readonly onSignOut: () => void;
  readonly children: ComponentChildren;
}) {
  const { self } = useAccess();
  const { overview, confirmations } = useLiveContext();
  const [theme, setTheme] = useState<Theme>('auto');
  const path = useLocation();
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const where = path.slice(0, 2).join('/');
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  useEffect(() => {
    document.title = `${PAGES.find(([name]) => name === page)?.[1] ?? 'Console'} · Cloister`;
    // Whoever uses the keyboard goes on where the new page begins.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [where, page]);
  const waiting = confirmations?.value?.length ?? 0;
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to content
      </a>
      <header class="side">
        <a class="brand" href={linkTo('overview')}>
          <Icon name="arch" />
          <span>Cloister</span>
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([name, title, icon]) => (
            <a key={name} href={linkTo(name)} aria-current={name === page ? 'page' : undefined}>
              <Icon name={icon} />
              <span>{title}</span>
              {name === 'confirmations' && waiting > 0 && (
                <b class="count" aria-label={`${waiting} waiting`}>
                  {waiting}
                </b>
              )}
            </a>
          ))}
        </nav>
        <div class="who">
          <div class="who-name">
            <span class={`badge ${self.role === 'operator' ? 'accent' : 'plain'}`}>{self.role}</span>
            {self.readOnly && <span class="badge plain">read-only</span>}
            <span class="who-tenant">{self.tenant === null ? 'all tenants' : shown(self.tenant)}</span>
          </div>
          <div class="who-buttons">
            <button
              type="button"
              class="quiet"
              onClick={() => setTheme(NEXT[theme])}
              aria-label={`Colours: ${theme}. Change`}
              title={`Colours: ${theme}`}
            >
              <Icon name={theme === 'dark' ? 'moon' : theme === 'light' ? 'sun' : 'contrast'} />
            </button>
            <button type="button" class="quiet" onClick={onSignOut} aria-label="Sign out" title="Sign out">
              <Icon name="exit" />
            </button>
          </div>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {overview.error !== null && (
          <div class="notice fail" role="alert">
            {refusalText(overview.error)}
          </div>
        )}
        {children}
      </main>
    </div>
  );
}
