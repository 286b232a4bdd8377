// What the kernel was seen to enforce before any of the tenant's code ran, and the policy in force.

import type { Inspection } from './answers.ts';
import { bytes, short, shown } from './format.ts';
import { Badge, Card, Empty, Facts, Scroll } from './parts.tsx';

const CAPABILITIES = ['inheritable', 'permitted', 'effective', 'bounding', 'ambient'] as const;

export function SandboxReceipt({ sandbox }: { readonly sandbox: Inspection }) {
  const { receipt, policy } = sandbox;
  if (receipt === null) return <Empty>It has no receipt yet.</Empty>;
  const { limits, seccomp, network, capabilities, workspace } = receipt;
  const hasNone = CAPABILITIES.every((name) => capabilities[name].length === 0);
  return (
    <div class="columns">
      <div>
        <Card title="Receipt" tools={<Badge text="signed" tone="good" />}>
          <Facts
            rows={[
              ['Taken at', receipt.at],
              ['Image', `${shown(receipt.image.name)} ${short(receipt.image.id, 26)}`],
              ['Runtime', shown(receipt.runtime)],
              ['User and group', `${receipt.uid}:${receipt.gid}`],
              [
                'Capabilities',
                hasNone
                  ? 'none, in all five sets'
                  : CAPABILITIES.map((name) => `${name}: ${capabilities[name].join(' ') || 'none'}`).join('; '),
              ],
              ['New privileges', receipt.noNewPrivs ? 'refused' : 'possible'],
              ['Seccomp', `mode ${seccomp.mode}, profile ${shown(seccomp.profile)} ${short(seccomp.sha256)}`],
              [
                'Network',
                `${network.interfaces.join(', ') || 'no interface'}; ${network.routes.length === 0 ? 'no route' : network.routes.join(', ')}`,
              ],
              [
                'Limits',
                `${bytes(limits.memoryBytes)} memory, ${limits.cpus} CPU, ${limits.pids} processes, ${limits.diskBytes === null ? 'no disk quota' : `${bytes(limits.diskBytes)} disk`}, ${bytes(limits.tmpBytes)} /tmp`,
              ],
              ['Workspace', `${shown(workspace.name)} on ${shown(workspace.store)}, quota ${shown(workspace.quota)}`],
              ['Policy', short(receipt.policySha256, 20)],
              ['Signature', short(receipt.signature, 28)],
            ]}
          />
        </Card>
        <Card title="Policy in force">
          <Scroll label="Policy in force">
            <pre>{shown(JSON.stringify(policy, null, 2), { max: 40_000, isBlock: true })}</pre>
          </Scroll>
        </Card>
      </div>
      <Card title={`${receipt.mounts.length} mounts`} flush>
        <Scroll label="Mounts">
          <table>
            <thead>
              <tr>
                <th scope="col">Target</th>
                <th scope="col">Flags</th>
              </tr>
            </thead>
            <tbody>
              {receipt.mounts.map(({ target, flags }) => (
                <tr key={target}>
                  <td>
                    <code>{shown(target)}</code>
                  </td>
                  <td class="muted small">{flags.join(', ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Card>
    </div>
  );
}
