// Writes what kubectl's own kustomize makes of each overlay, one object a line: npx tsx test/support/kubernetes/write-rendered.ts
// (needs kubectl 1.30 or newer). The tests compare with it what they render themselves.

import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

const OVERLAYS = 'deploy/kubernetes/overlays';

const lines = readdirSync(OVERLAYS)
  .toSorted()
  .flatMap((overlay) => {
    const text = execFileSync('kubectl', ['kustomize', join(OVERLAYS, overlay)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return parseAllDocuments(text).map((document) => JSON.stringify({ overlay, object: document.toJS() as unknown }));
  });
writeFileSync('test/unit/deploy/kubernetes-rendered.jsonl', `${lines.join('\n')}\n`);
