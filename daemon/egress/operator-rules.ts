// What operators opened and closed, and which addresses are the host's own, as the judge takes them. Reads the interfaces.

import { networkInterfaces } from 'node:os';
import { indexPatterns } from '../policy/host-index.ts';
import { parseHostPattern } from '../policy/host-pattern.ts';
import { addressKey, groupsOf, parseCidr } from './cidr.ts';
import type { OperatorRules } from './judge.ts';

const OWN_ADDRESSES_MS = 5_000;

/** The host's own addresses change with its interfaces: they are looked up again from time to time. */
export function operatorRules(options: {
  readonly allowPrivate: readonly string[];
  readonly blocklistExtra: readonly string[];
}): () => OperatorRules {
  const { allowPrivate, blocklistExtra } = options;
  const read = <T>(texts: readonly string[], parse: (text: string) => T | null): T[] => texts.map(parse).filter((one) => one !== null);
  const blocked = read(blocklistExtra, parseCidr);
  const blockedHosts = indexPatterns(read(blocklistExtra, parseHostPattern));
  const fixed = { allowPrivate: read(allowPrivate, parseCidr), blocked, blockedHosts };
  let rules: OperatorRules = { ...fixed, own: ownAddresses() };
  let readAt = Date.now();
  return () => {
    if (Date.now() - readAt > OWN_ADDRESSES_MS) {
      readAt = Date.now();
      rules = { ...fixed, own: ownAddresses() };
    }
    return rules;
  };
}

function ownAddresses(): ReadonlySet<string> {
  const found = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  return new Set(
    found
      .map(({ address }) => groupsOf(address.split('%')[0] ?? ''))
      .filter((groups) => groups !== null)
      .map(addressKey),
  );
}
