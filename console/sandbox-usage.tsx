// What a sandbox used in the last minutes, beside its limits.

import { useMemo } from 'preact/hooks';
import type { Inspection } from './answers.ts';
import { Chart } from './chart.tsx';
import { bytes } from './format.ts';
import { Card, Empty } from './parts.tsx';

export function SandboxUsage({ sandbox }: { readonly sandbox: Inspection }) {
  const { points, limits } = sandbox;
  const times = useMemo(() => points.map(([atMs]) => atMs / 1000), [points]);
  if (points.length < 2) return <Empty>Measuring began when this console was opened; the first figures come in a moment.</Empty>;
  const values = (index: 1 | 2 | 3 | 4): (number | null)[] => points.map((point) => point[index]);
  return (
    <Card title="The last minutes" tools={<span class="muted small">Measured while a console is open</span>}>
      <div class="charts">
        <Chart
          title={`Processors, of ${limits.cpus}`}
          times={times}
          series={[{ name: 'now', values: values(1), tone: 'accent' }]}
          show={(value) => value.toFixed(2)}
          least={0.1}
        />
        <Chart
          title={`Memory, of ${bytes(limits.memoryBytes)}`}
          times={times}
          series={[{ name: 'now', values: values(2), tone: 'good' }]}
          show={bytes}
          least={16 * 1024 * 1024}
        />
        <Chart
          title={`Processes, of ${limits.pids}`}
          times={times}
          series={[{ name: 'now', values: values(3), tone: 'warn' }]}
          show={(value) => value.toFixed(0)}
          least={10}
        />
        <Chart
          title={`Disk, of ${bytes(limits.diskBytes)}`}
          times={times}
          series={[{ name: 'now', values: values(4), tone: 'accent' }]}
          show={bytes}
          least={1024 * 1024}
        />
      </div>
    </Card>
  );
}
