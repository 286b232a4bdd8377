// A session's secrets: who gets them, what is on disk, what is left of them.

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SandboxId } from '../../../client/protocol/names.ts';
import { Secret, Secrets } from '../../../client/protocol/secrets.ts';
import { SecretStore } from '../../../daemon/secrets/secret-store.ts';
import { refusal } from '../../support/fake-sandbox.ts';

const ID = SandboxId.parse('sb_aaaaaaaaaaaaaaaaaaaa');
const OTHER = SandboxId.parse('sb_bbbbbbbbbbbbbbbbbbbb');
const VALUE = 'tr0ub4dor&3-correct-horse';
let directory: string;
let store: SecretStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-secrets-'));
  store = await SecretStore.open(directory);
});
afterEach(() => rmSync(directory, { recursive: true }));
const onDisk = (): string =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('');

describe('a secret', () => {
  test('is in the environment of a command that names it, and in no other', async () => {
    const own = await store.of(ID);
    await own.set('TOKEN', { value: VALUE });
    expect(own.environment(['TOKEN'])).toEqual({ TOKEN: VALUE });
    expect(own.environment([])).toEqual({});
    expect(own.placeholders()).toEqual({});
    expect(await refusal(() => own.environment(['OTHER']))).toBe('INVALID_REQUEST: the session has none of this name');
    expect(store.find(OTHER)).toBeNull();
  });

  test('that goes into a header is a placeholder in the sandbox, the same after its value has changed', async () => {
    const own = await store.of(ID);
    await own.set('KEY', { value: VALUE, as: 'header', hosts: ['API.example.com'] });
    const { KEY: placeholder } = own.placeholders();
    expect(placeholder).toMatch(/^cloister-secret-[A-Za-z0-9_-]{32}$/);
    expect(own.environment(['KEY'])).toEqual({ KEY: placeholder });
    expect(own.headerSecrets()).toMatchObject([{ name: 'KEY', placeholder, hosts: ['api.example.com'] }]);
    let changes = 0;
    store.onChange((id) => (changes += id === ID ? 1 : 0));
    await own.set('KEY', { value: 'another-value', as: 'header', hosts: ['api.example.com'] });
    expect([own.placeholders()['KEY'], own.headerSecrets()[0]?.value.toString(), changes]).toEqual([placeholder, 'another-value', 1]);
  });

  test('is on disk sealed and no other way, for its owner alone, and opens for the next daemon', async () => {
    await (await store.of(ID)).set('TOKEN', { value: VALUE });
    expect(onDisk()).not.toContain(VALUE);
    expect(onDisk()).not.toContain(Buffer.from(VALUE).toString('base64').slice(0, 16));
    expect(statSync(join(directory, 'keys', 'secrets.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'secrets', `${ID}.sealed`)).mode & 0o777).toBe(0o600);
    store.detach();
    const next = await SecretStore.open(directory);
    await next.adopt(ID);
    expect(next.find(ID)?.environment(['TOKEN'])).toEqual({ TOKEN: VALUE });
    expect(next.find(ID)?.redactText(`a ${VALUE} b`)).toBe('a [redacted:TOKEN] b');
  });

  test('that was sealed for another sandbox, or changed, does not open, and no value is in the error', async () => {
    await (await store.of(ID)).set('TOKEN', { value: VALUE });
    const sealed = readFileSync(join(directory, 'secrets', `${ID}.sealed`));
    writeFileSync(join(directory, 'secrets', `${OTHER}.sealed`), sealed);
    const next = await SecretStore.open(directory);
    expect(await refusal(next.adopt(OTHER))).toBe('INTERNAL: the file or its key was changed');
  });

  test('is zeroed and its file gone when the session closes', async () => {
    const own = await store.of(ID);
    await own.set('KEY', { value: VALUE, as: 'header', hosts: ['api.example.com'] });
    const [held] = own.headerSecrets();
    const value = held?.value ?? Buffer.from('none');
    await store.close(ID);
    expect(value.every((byte) => byte === 0)).toBe(true);
    expect(readdirSync(join(directory, 'secrets'))).toEqual([]);
    expect(await refusal(() => own.environment(['KEY']))).toBe('SESSION_EXPIRED: it is closed');
  });

  test('that was replaced stays out of output', async () => {
    const own = await store.of(ID);
    await own.set('TOKEN', { value: VALUE });
    await own.set('TOKEN', { value: 'brand-new-value' });
    expect(own.redactText(`${VALUE} brand-new-value`)).toBe('[redacted:TOKEN] [redacted:TOKEN]');
    expect(own.environment(['TOKEN'])).toEqual({ TOKEN: 'brand-new-value' });
  });

  test('that is set again as it is changes nothing', async () => {
    const own = await store.of(ID);
    await own.set('TOKEN', { value: VALUE });
    await own.set('TOKEN', { value: VALUE });
    expect(own.generation).toBe(1);
  });
});

test('secrets of a session are bounded in number and bytes, over any number of changes', async () => {
  const own = await store.of(ID);
  for (let index = 0; index < 32; index += 1) await own.set(`S${index}`, { value: `value-${index}` });
  expect(await refusal(own.set('ONE_MORE', { value: 'value' }))).toBe('QUOTA_EXCEEDED: a session has at most 32');
  for (let turn = 0; turn < 100; turn += 1) await own.set('S0', { value: `changed-${turn}` });
  expect(own.environment(['S0', 'S31'])).toEqual({ S0: 'changed-99', S31: 'value-31' });
  expect(await refusal(own.set('S1', { value: 'x'.repeat(8000) }))).toBe('no error');
  expect(await refusal(own.set('S2', { value: 'y'.repeat(8191) }))).toBe(
    'QUOTA_EXCEEDED: those of a session have at most 16384 bytes together',
  );
});

test('what is left of sandboxes that are no more is removed at the start', async () => {
  await (await store.of(ID)).set('TOKEN', { value: VALUE });
  await (await store.of(OTHER)).set('TOKEN', { value: VALUE });
  await store.retain([OTHER]);
  expect(readdirSync(join(directory, 'secrets'))).toEqual([`${OTHER}.sealed`]);
});

describe('is refused before it is anywhere', () => {
  test.each<[string, unknown]>([
    ['a value of three bytes', { value: 'abc' }],
    ['a value with a NUL byte', { value: 'abcd\0' }],
    ['a value of more than 8 KiB', { value: 'é'.repeat(4097) }],
    ['a header secret without hosts', { value: 'abcd', as: 'header' }],
    ['another use', { value: 'abcd', as: 'file' }],
  ])('%s', (_, secret) => {
    const parsed = Secret.safeParse(secret);
    expect(parsed.success).toBe(false);
    expect(JSON.stringify(parsed.error?.issues)).not.toContain('abcd');
  });

  test.each(['LD_PRELOAD', 'CLOISTER_X', 'a-b', 'X'.repeat(65)])('a name that may not be in an environment: %s', (name) => {
    expect(Secrets.safeParse({ [name]: { value: 'abcd' } }).success).toBe(false);
  });
});
