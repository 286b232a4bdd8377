// The import rules: who may know whom. A module imports only what stands further right (or below), or its own folder.

/** From the outside in, left to right. */
const ORDER = [
  ['daemon/main\\.ts'],
  ['daemon/[^/]+\\.ts', 'daemon/cli/', 'daemon/setup/'],
  ['daemon/gateway/', 'daemon/admin/', 'daemon/doctor/', 'daemon/compat/', 'daemon/mcp/', 'daemon/fleet/'],
  ['daemon/session/'],
  ['daemon/exec/', 'daemon/files/', 'daemon/egress/', 'daemon/workspace/', 'daemon/secrets/'],
  ['daemon/container/', 'daemon/link/'],
  ['daemon/auth/', 'daemon/observe/'],
  ['daemon/policy/'],
  ['client/protocol/'],
];
/** The daemon's own level is one module: the composition root, set-up and the command line know each other. */
const DAEMON_LEVEL = ORDER[1];

/** Packages that have one home; tests and examples may use them to look from outside. */
const HOMES = {
  dockerode: ['daemon/container/docker-[^/]+\\.ts'],
  'tar-fs': ['daemon/workspace/archive\\.ts', 'daemon/container/image/'],
  ws: ['daemon/gateway/', 'client/transport\\.ts'],
  commander: ['daemon/main\\.ts', 'daemon/cli/', 'client/cli/'],
  '@modelcontextprotocol/server': ['daemon/mcp/', 'daemon/cli/mcp\\.ts'],
  jose: ['daemon/auth/'],
  '@fastify/busboy': ['daemon/compat/'],
  '@redis/client': ['daemon/fleet/'],
  ai: ['client/adapters/ai/'],
  'bash-tool': ['client/adapters/ai/'],
  '@anthropic-ai/sdk': ['client/adapters/anthropic/'],
  '@openai/agents': ['client/adapters/openai-agents/'],
  deepagents: ['client/adapters/deepagents/'],
  '@computesdk/provider': ['client/adapters/computesdk/'],
  '@mastra/core': ['client/adapters/mastra/'],
  'ipaddr.js': ['daemon/egress/', 'daemon/policy/', 'daemon/auth/', 'daemon/gateway/'],
};

const start = (paths) => paths.map((path) => `^${path}`);

const inOrder = ORDER.flat();
const layerRules = inOrder
  .map((path, index) => ({
    name: `layer-of-${path.replaceAll(/[\\[\]^+]|\/$/g, '')}`,
    comment: `Imports point inwards: ${inOrder.join(' ')}`,
    severity: 'error',
    // daemon/*.ts matches main.ts too, which stands further out.
    from: { path: `^${path}`, ...(path === DAEMON_LEVEL[0] ? { pathNot: '^daemon/main\\.ts$' } : {}) },
    to: { path: start(inOrder.slice(0, index).filter((outer) => !DAEMON_LEVEL.includes(path) || !DAEMON_LEVEL.includes(outer))) },
  }))
  .filter((rule) => rule.to.path.length > 0);

const homeRules = Object.entries(HOMES).map(([name, homes]) => ({
  name: `home-of-${name}`,
  comment: `${name} is known in ${homes.join(', ')} and nowhere else.`,
  severity: 'error',
  from: { pathNot: [...start(homes), '^test/', '^examples/'] },
  to: { path: `^node_modules/(@types/)?${name.replaceAll('.', '\\.')}/` },
}));

export default {
  forbidden: [
    ...layerRules,
    ...homeRules,
    {
      name: 'client-knows-no-daemon',
      comment: 'The client is a package of its own: it speaks the protocol and nothing else.',
      severity: 'error',
      from: { path: '^client/' },
      to: { path: '^(daemon|test|seccomp|examples)/' },
    },
    {
      name: 'protocol-knows-only-zod',
      comment: 'client/protocol is the contract: it imports zod and nothing else, not even Node.',
      severity: 'error',
      from: { path: '^client/protocol/' },
      to: { pathNot: ['^client/protocol/', '^node_modules/zod/'] },
    },
    {
      name: 'daemon-knows-only-the-protocol',
      comment: 'Of the client the daemon knows the protocol; its command line, its MCP server and its endpoint for E2B are also clients.',
      severity: 'error',
      from: {
        path: '^daemon/',
        pathNot: [
          '^daemon/main\\.ts$',
          '^daemon/cli/',
          '^daemon/(mcp/|open-mcp\\.ts$|compat/|open-compat\\.ts$|testing/mock-daemon\\.ts$)',
        ],
      },
      to: { path: '^client/', pathNot: '^client/protocol/' },
    },
    {
      name: 'console-knows-only-the-protocol',
      comment: 'The console runs in a browser: of this repository it knows the types of the protocol and how a frame is written.',
      severity: 'error',
      from: { path: '^console/' },
      to: { path: '^(client|daemon|test|seccomp|examples)/', pathNot: '^client/protocol/frames\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-knows-the-console',
      severity: 'error',
      from: { pathNot: ['^console/', '^test/'] },
      to: { path: '^console/' },
    },
    {
      name: 'library-knows-no-cli',
      severity: 'error',
      from: { path: '^client/', pathNot: '^client/(cli|adapters)/' },
      to: { path: '^client/(cli|adapters)/' },
    },
    {
      name: 'testing-is-below-gateway',
      comment: 'Fakes stand in for what is below the gateway; the daemon of cloister/testing is a composition root of its own.',
      severity: 'error',
      from: { path: '^daemon/testing/', pathNot: '^daemon/testing/(index|mock-daemon)\\.ts$' },
      to: { path: start(ORDER.slice(0, 3).flat()) },
    },
    {
      name: 'no-testing-in-the-product',
      severity: 'error',
      from: { path: '^(daemon|client|seccomp)/', pathNot: '^daemon/testing/' },
      to: { path: '^(daemon/testing|test|examples)/' },
    },
    {
      name: 'pino-is-made-in-one-place',
      comment: 'Loggers are made by observe and passed in; the type may be known everywhere.',
      severity: 'error',
      from: { path: '^(daemon|client)/', pathNot: ['^daemon/observe/', '^daemon/testing/'] },
      to: { path: '^node_modules/pino/', dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '^[^/]+\\.(ts|mjs)$', '^examples/', '^test/.*\\.test\\.ts$', '^test/support/'] },
      to: {},
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependency-in-the-product',
      severity: 'error',
      // An adapter's framework is its user's: an optional peer, known in its home alone.
      from: { path: '^(client|daemon)/', pathNot: '^(daemon/testing|client/adapters)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-deprecated-node', severity: 'error', from: {}, to: { dependencyTypes: ['deprecated'] } },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    exclude: { path: ['^dist/', '^coverage/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.d.ts', '.js'],
    },
  },
};
