// What of the configuration the doctor judges.

import type { Config } from './config.ts';
import type { DoctorSettings } from './doctor/facts.ts';
import { BUILT_IN_PROFILES } from './policy/profiles.ts';
import { auditKeyPathOf, auditPathOf } from './state-dir.ts';

export function doctorSettings(config: Config, configFile: string | null): DoctorSettings {
  const { ceilings, engine, ports, workspace, pool } = config;
  return {
    stateDir: config.stateDir,
    configFile,
    auditFile: config.audit.file ?? auditPathOf(config.stateDir),
    auditKeyFile: auditKeyPathOf(config.stateDir),
    listen: config.listen,
    hasTls: 'tls' in config && config.tls !== undefined,
    portsListen: ports.listen,
    portsScheme: ports.scheme,
    portsDomain: ports.domain,
    origins: config.origins,
    engineRuntimes: engine.runtimes,
    privateEngine: engine.private,
    store: workspace.store,
    quota: workspace.quota,
    profiles: { ...BUILT_IN_PROFILES, ...config.profiles },
    defaultProfile: config.defaults.profile,
    images: config.images.allow,
    allowPrivate: config.egress.allowPrivate,
    ceilings: { perTenant: Object.keys(ceilings.perTenant).length, host: Object.keys(ceilings.host).length },
    maxSessions: pool.maxSessions,
    idleMs: pool.idleMs,
    confirmTimeoutMs: config.permissions.confirmTimeoutMs,
    rules: config.permissions.rules.map((rule) =>
      'preset' in rule
        ? { preset: rule.preset }
        : { tool: rule.tool, action: rule.action, isNarrowed: rule.args !== undefined || rule.domain !== undefined },
    ),
    hasHardFloor: config.permissions.hardFloor,
  };
}
