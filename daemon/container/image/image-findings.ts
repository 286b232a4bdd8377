// What is worth saying of an image before sandboxes are made from it, and how much each weighs. Pure.

import { EnvName } from '../../../client/protocol/exec.ts';
import type { ImageFinding, ImageFindingName } from '../../../client/protocol/images.ts';
import type { ImageDetails } from '../driver.ts';
import type { ImageTree, Sample } from './image-tree.ts';

const LARGE_BYTES = 4 * 1024 ** 3;
const HUGE_ENVIRONMENT_BYTES = 32 * 1024;
const MAX_NAMED = 8;

const WEIGHTS: Readonly<Record<ImageFindingName, ImageFinding['weight']>> = {
  'setuid-files': 'accept',
  'file-capabilities': 'accept',
  'device-files': 'accept',
  entrypoint: 'accept',
  'loader-environment': 'accept',
  'huge-environment': 'accept',
  'large-image': 'accept',
  'no-shell': 'accept',
  volumes: 'never',
  'linked-mount-points': 'never',
  'wrong-platform': 'never',
  'exposed-ports': 'note',
  user: 'note',
  healthcheck: 'note',
};

/** `architecture`: of the engine's host, as it spells it. */
export function findingsOf(image: ImageDetails, tree: ImageTree, architecture: string): ImageFinding[] {
  const findings: ImageFinding[] = [];
  const found = (name: ImageFindingName, isThere: boolean, detail: () => string): void => {
    if (isThere) findings.push({ name, weight: WEIGHTS[name], detail: detail() });
  };
  const environmentBytes = image.env.reduce((sum, entry) => sum + Buffer.byteLength(entry) + 1, 0);
  const obeyed = image.env.map((entry) => entry.split('=', 1)[0] ?? '').filter((name) => !EnvName.safeParse(name).success);
  const platform = `${image.os}/${image.architecture}`;
  found(
    'wrong-platform',
    platform !== `linux/${processorOf(architecture)}`,
    () => `${platform}, here is linux/${processorOf(architecture)}`,
  );
  found('volumes', image.volumes.length > 0, () => listed(image.volumes));
  found('linked-mount-points', tree.mountPoints.count > 0, () => sampled(tree.mountPoints));
  found('setuid-files', tree.setIds.count > 0, () => sampled(tree.setIds));
  found('file-capabilities', tree.capabilities.count > 0, () => sampled(tree.capabilities));
  found('device-files', tree.devices.count > 0, () => sampled(tree.devices));
  found('entrypoint', image.entrypoint.length > 0, () => `${listed(image.entrypoint)}: never started`);
  found('loader-environment', obeyed.length > 0, () => `${listed(obeyed)}: dropped`);
  found('huge-environment', environmentBytes > HUGE_ENVIRONMENT_BYTES, () => `${image.env.length} variables of ${environmentBytes} bytes`);
  found('large-image', image.sizeBytes > LARGE_BYTES, () => `${image.sizeBytes} bytes`);
  found('no-shell', !tree.hasShell, () => 'neither sh nor bash: only commands given as arrays work');
  found('exposed-ports', image.exposedPorts.length > 0, () => `${listed(image.exposedPorts)}: not published`);
  found('user', image.user !== '', () => `${listed([image.user])}: every sandbox has a user of its own`);
  found('healthcheck', image.hasHealthcheck, () => 'never run');
  return findings;
}

/** Those that keep an image out. */
export const refused = (findings: readonly ImageFinding[], accepted: readonly ImageFindingName[]): ImageFinding[] =>
  findings.filter(({ name, weight }) => weight === 'never' || (weight === 'accept' && !accepted.includes(name)));

const sampled = ({ paths, count }: Sample): string => more(paths, count);
const listed = (texts: readonly string[]): string =>
  more(
    texts.slice(0, MAX_NAMED).map((text) => text.slice(0, 100)),
    texts.length,
  );
const more = (shown: readonly string[], count: number): string =>
  `${shown.join(', ')}${count > shown.length ? ` and ${count - shown.length} more` : ''}`;

/** As images spell it. */
const processorOf = (architecture: string): string => ({ x86_64: 'amd64', aarch64: 'arm64' })[architecture] ?? architecture;
