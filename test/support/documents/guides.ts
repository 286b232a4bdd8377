// The pages of docs/, and where what they show is run: `here` by docs.test.ts, or by tests of their own.

export const GUIDES: Readonly<Record<string, 'here' | 'elsewhere'>> = {
  'first-sandbox.md': 'here',
  'permissions.md': 'here',
  'egress.md': 'here',
  'secrets.md': 'here',
  'images.md': 'here',
  'operating.md': 'here',
  'upgrading.md': 'here',
  'troubleshooting.md': 'here',
  'threat-model.md': 'here',
  // Figures; written from a file of results, which a test compares.
  'capacity.md': 'elsewhere',
  // What it tells to do is done by the tests of the endpoint, with the package itself.
  'e2b.md': 'elsewhere',
  // The example in it, and the conversation beside it, have tests of their own.
  'agent-shell.md': 'elsewhere',
  'protocol.md': 'elsewhere',
};
