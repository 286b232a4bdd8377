// The checklist before a launch, as the daemon finds its host right now.

import type { ComponentChildren } from 'preact';
import { canAct, isOperator, useAccess } from './access.ts';
import type { DoctorAnswer, Finding } from './answers.ts';
import { shown } from './format.ts';
import { Badge, Card, Empty, Loading, PageHead, Problem } from './parts.tsx';
import { usePolling } from './polling.ts';

export function DoctorPage() {
  const access = useAccess();
  if (!isOperator(access) || !canAct(access))
    return (
      <Frame>
        <Empty>Only operators may examine the host.</Empty>
      </Frame>
    );
  return <Report />;
}

const Frame = ({ children }: { readonly children: ComponentChildren }) => (
  <>
    <PageHead title="Doctor" />
    {children}
  </>
);

function Report() {
  const { http } = useAccess();
  const { value, error, refresh } = usePolling('doctor', (signal) => http.get<DoctorAnswer>('/v1/doctor', signal), 60_000);
  if (value === null) return <Frame>{error === null ? <Loading /> : <Problem error={error} />}</Frame>;
  const areas = [...new Set(value.findings.map(({ area }) => area))];
  return (
    <>
      <PageHead title="Doctor">
        <Badge text={`${value.counts.fail} failed`} tone={value.counts.fail > 0 ? 'fail' : 'plain'} />
        <Badge text={`${value.counts.warn} to look at`} tone={value.counts.warn > 0 ? 'warn' : 'plain'} />
        <Badge text={`${value.counts.pass} passed`} tone="good" />
        <button type="button" onClick={refresh}>
          Examine again
        </button>
      </PageHead>
      <Problem error={error} />
      {areas.map((area) => (
        <Card key={area} title={area.charAt(0).toUpperCase() + area.slice(1)} flush>
          <ul class="findings">
            {value.findings
              .filter((finding) => finding.area === area)
              .map((finding) => (
                <Line key={finding.id} finding={finding} />
              ))}
          </ul>
        </Card>
      ))}
    </>
  );
}

function Line({ finding: { id, verdict, detail, remedy } }: { readonly finding: Finding }) {
  return (
    <li>
      <Badge text={verdict} />
      <div>
        <b class="kind">{shown(id)}</b> <span>{shown(detail)}</span>
        {remedy !== undefined && <p class="muted small">{shown(remedy)}</p>}
      </div>
    </li>
  );
}
