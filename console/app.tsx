// Signing in and out, and the page that the address names.

import { useCallback, useEffect, useState } from 'preact/hooks';
import { type Access, AccessContext } from './access.ts';
import type { Self } from './answers.ts';
import { AuditPage } from './audit-page.tsx';
import { ConfirmationsPage } from './confirmations-page.tsx';
import { DoctorPage } from './doctor-page.tsx';
import { Frame } from './frame.tsx';
import { Http, refusalText } from './http.ts';
import { LiveContext, useLive } from './live.ts';
import { useLocation } from './location.ts';
import { LoginPage } from './login-page.tsx';
import { OverviewPage } from './overview-page.tsx';
import { PolicyPage } from './policy-page.tsx';
import { SandboxPage } from './sandbox-page.tsx';
import { SandboxesPage } from './sandboxes-page.tsx';
import { forgetToken, rememberedToken, rememberToken } from './token-store.ts';
import { Wire } from './wire.ts';

export function App() {
  const [access, setAccess] = useState<Access | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  const signOut = useCallback((why: string | null) => {
    forgetToken();
    setAccess((before) => {
      before?.control.close();
      before?.work.close();
      return null;
    });
    setProblem(why);
  }, []);

  const signIn = useCallback(
    async (token: string, isRemembered: boolean) => {
      setBusy(true);
      setProblem(null);
      const http = new Http(token, (why) => signOut(`Signed out: ${why}`));
      try {
        const self = await http.get<Self>('/v1/self');
        if (isRemembered) rememberToken(token);
        setAccess({ self, http, control: new Wire(token), work: new Wire(token), newWire: () => new Wire(token) });
      } catch (error) {
        forgetToken();
        setProblem(refusalText(error));
      }
      setBusy(false);
    },
    [signOut],
  );

  useEffect(() => {
    const token = rememberedToken();
    if (token !== null) void signIn(token, false);
  }, [signIn]);

  if (access === null)
    return <LoginPage problem={problem} isBusy={isBusy} onSignIn={(token, isRemembered) => void signIn(token, isRemembered)} />;
  return (
    <AccessContext.Provider value={access}>
      <SignedIn onSignOut={() => signOut(null)} />
    </AccessContext.Provider>
  );
}

function SignedIn({ onSignOut }: { readonly onSignOut: () => void }) {
  const path = useLocation();
  const live = useLive();
  const [page = 'overview', ...rest] = path;
  return (
    <LiveContext.Provider value={live}>
      <Frame page={page} onSignOut={onSignOut}>
        <Page page={page} rest={rest} />
      </Frame>
    </LiveContext.Provider>
  );
}

function Page({ page, rest }: { readonly page: string; readonly rest: readonly string[] }) {
  const [id, tab = 'commands', ...more] = rest;
  switch (page) {
    case 'sandboxes':
      return id === undefined ? <SandboxesPage /> : <SandboxPage key={id} id={id} tab={tab} rest={more} />;
    case 'confirmations':
      return <ConfirmationsPage />;
    case 'audit':
      return <AuditPage key={rest.join('/')} sandbox={id ?? ''} />;
    case 'policy':
      return <PolicyPage />;
    case 'doctor':
      return <DoctorPage />;
    default:
      return <OverviewPage />;
  }
}
