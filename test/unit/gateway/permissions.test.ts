// Questions and their ends on the wire: nothing is ever allowed by default, and all of it is on record under the call's id.

import { describe, expect, test } from 'vitest';
import type { RuleOrPreset } from '../../../daemon/policy/permission-presets.ts';
import { settled } from '../../support/fake-clock.ts';
import { principal } from '../../support/fake-sandbox.ts';
import { type Client, gate, type Gate } from './wire.ts';

const ASK: readonly RuleOrPreset[] = [
  { tool: 'exec', args: { command: 'deploy*' }, action: 'ask', reason: 'people decide' },
  { tool: 'ports.url', action: 'ask' },
  { preset: 'profile' },
];

async function opened(rules: readonly RuleOrPreset[] = ASK, permissions?: object): Promise<{ here: Gate; controller: Client; id: string }> {
  const here = gate({ rules });
  const controller = await here.greet();
  const id = String((await controller.call('open', { session: 's', ...(permissions === undefined ? {} : { permissions }) }))['id']);
  return { here, controller, id };
}

const start = (id: string, execId: string, command: string | string[] = 'deploy now') => ({ sandbox: id, execId, command });
const asked = (client: Client) =>
  client.events.filter(({ event }) => event === 'confirm.request').map(({ request }) => request as { id: string });
const started = (here: Gate) => here.audit.of('exec.start').map(({ execId }) => execId);
const kinds = (here: Gate, execId: string) => here.audit.entries.filter((entry) => entry['execId'] === execId).map(({ kind }) => kind);

describe('a question', () => {
  test.each(['deny', 'nobody'])('answered with %s keeps the command from starting', async (answer) => {
    const { here, controller, id } = await opened();
    const call = controller.send('exec.start', start(id, 'x'));
    await settled();
    await controller.call('confirm.answer', { sandbox: id, id: asked(controller)[0]?.id, answer });
    expect(controller.answersTo(call)).toMatchObject([{ result: { outcome: 'denied', exitCode: null, rule: 'permissions.rules[0]' } }]);
    expect(started(here)).toEqual([]);
    expect(kinds(here, 'x')).toEqual(['decision', 'confirm.request', 'confirm.answer', 'decision', 'exec.end']);
  });

  test('without an answer in time is a denial with its reason', async () => {
    const { here, controller, id } = await opened();
    const call = controller.send('exec.start', start(id, 'x'));
    await settled();
    await here.clock.advance(60_000);
    await settled();
    expect(controller.answersTo(call)).toMatchObject([{ result: { outcome: 'denied', reason: 'confirmTimeout' } }]);
    expect(started(here)).toEqual([]);
  });

  test('with no controller is a denial at once', async () => {
    const { here, controller, id } = await opened();
    const other = await here.greet();
    await other.call('open', { session: 's', role: 'participant' });
    controller.socket.terminate();
    await settled();
    expect(await other.call('exec.start', start(id, 'x'))).toMatchObject({ outcome: 'denied', reason: 'confirmNobody' });
    expect(started(here)).toEqual([]);
  });

  test('whose asker goes in the middle is a denial, on record', async () => {
    const { here, controller, id } = await opened();
    const other = await here.greet();
    await other.call('open', { session: 's', role: 'participant' });
    other.send('exec.start', start(id, 'x'));
    await settled();
    other.socket.terminate();
    await settled();
    expect(here.audit.of('confirm.answer')).toMatchObject([{ execId: 'x', answer: 'nobody', by: 'disconnect' }]);
    expect(here.audit.of('exec.end')).toMatchObject([{ execId: 'x', outcome: 'denied', reason: 'confirmDisconnected' }]);
    expect(await controller.outcome('confirm.answer', { sandbox: id, id: asked(controller)[0]?.id, answer: 'allow-once' })).toContain(
      'NOT_FOUND',
    );
    expect(started(here)).toEqual([]);
  });

  test('in batch mode is not asked', async () => {
    const { here, controller, id } = await opened(ASK, { mode: 'batch' });
    expect(await controller.call('exec.start', start(id, 'x'))).toMatchObject({
      outcome: 'denied',
      reason: 'nobody is asked in batch mode: people decide',
    });
    expect(asked(controller)).toEqual([]);
    expect(kinds(here, 'x')).toEqual(['decision', 'exec.end']);
  });

  test('is asked once for a request that comes twice, and both get its answer', async () => {
    const { controller, id } = await opened();
    const calls = [controller.send('exec.start', start(id, 'x')), controller.send('exec.start', start(id, 'x'))];
    await settled();
    expect(asked(controller)).toHaveLength(1);
    await controller.call('confirm.answer', { sandbox: id, id: asked(controller)[0]?.id, answer: 'deny' });
    for (const call of calls) expect(controller.answersTo(call)).toMatchObject([{ result: { outcome: 'denied' } }]);
    expect(await controller.call('exec.start', start(id, 'x')), 'and once more').toMatchObject({
      outcome: 'denied',
      reason: 'confirmDenied',
    });
    expect(asked(controller)).toHaveLength(1);
  });

  test('that is allowed once starts the command once', async () => {
    const { here, controller, id } = await opened();
    controller.send('exec.start', start(id, 'x'));
    await settled();
    await controller.call('confirm.answer', { sandbox: id, id: asked(controller)[0]?.id, answer: 'allow-once' });
    await settled();
    expect(started(here)).toEqual(['x']);
    expect(kinds(here, 'x')).toEqual(['decision', 'confirm.request', 'confirm.answer', 'decision', 'exec.start']);
    controller.send('exec.start', start(id, 'y'));
    await settled();
    expect(asked(controller)).toHaveLength(2);
    expect(started(here)).toEqual(['x']);
  });

  test('allowed for the session covers exactly that command, directory and environment', async () => {
    const { here, controller, id } = await opened();
    controller.send('exec.start', start(id, 'a'));
    await settled();
    await controller.call('confirm.answer', { sandbox: id, id: asked(controller)[0]?.id, answer: 'allow-session' });
    await settled();
    controller.send('exec.start', start(id, 'b'));
    await settled();
    expect(started(here)).toEqual(['a', 'b']);
    controller.send('exec.start', start(id, 'c', 'deploy later'));
    controller.send('exec.start', { ...start(id, 'd'), cwd: 'src' });
    controller.send('exec.start', { ...start(id, 'e'), env: { TARGET: 'production' } });
    await settled();
    expect(asked(controller)).toHaveLength(4);
    expect(started(here)).toEqual(['a', 'b']);
  });

  test('about what is computed when it runs is never allowed for the session', async () => {
    const { here, controller, id } = await opened();
    for (const execId of ['a', 'b']) {
      controller.send('exec.start', start(id, execId, 'deploy "$TARGET" && rm -rf "$OUT"'));
      await settled();
      await controller.call('confirm.answer', { sandbox: id, id: asked(controller).at(-1)?.id, answer: 'allow-session' });
      await settled();
    }
    expect(asked(controller)).toHaveLength(2);
    expect(started(here)).toEqual(['a', 'b']);
  });

  test('of another tenant can be neither seen nor answered', async () => {
    const { here, controller, id } = await opened();
    controller.send('exec.start', start(id, 'x'));
    await settled();
    const stranger = await here.greet(principal({ tenant: 'globex' }));
    const question = { sandbox: id, id: asked(controller)[0]?.id, answer: 'allow-once' };
    expect(await stranger.outcome('confirm.answer', question)).toContain('NOT_FOUND');
    expect(await stranger.call('confirm.list', {})).toEqual({ confirmations: [] });
    const participant = await here.greet();
    await participant.call('open', { session: 's', role: 'participant' });
    expect(await participant.outcome('confirm.answer', question)).toContain('FORBIDDEN');
    expect(await participant.call('confirm.list', {})).toEqual({ confirmations: [] });
    const operator = await here.greet(principal({ role: 'operator', tenant: null, tokenId: 'op-token-1' }));
    expect(await operator.call('confirm.list', {})).toMatchObject({ confirmations: [{ summary: 'deploy now' }] });
    await operator.call('confirm.answer', question);
    expect(here.audit.of('confirm.answer')).toMatchObject([{ answer: 'allow-once', by: 'operator:op-token' }]);
    expect(started(here)).toEqual(['x']);
  });

  test('about a call that is no command is asked and answered alike', async () => {
    const { controller, id } = await opened();
    const call = controller.send('ports.url', { sandbox: id, port: 3000 });
    await settled();
    await controller.call('confirm.answer', { sandbox: id, id: asked(controller)[0]?.id, answer: 'deny' });
    await settled();
    expect(controller.answersTo(call)).toMatchObject([{ error: { code: 'PERMISSION_DENIED' } }]);
  });
});

test('a log that takes no record lets nothing start', async () => {
  const { here, controller, id } = await opened([{ preset: 'profile' }]);
  here.audit.isFull = true;
  expect(await controller.outcome('exec.start', start(id, 'x', 'true'))).not.toBe('no answer');
  expect(controller.messages.some((message) => JSON.stringify(message).includes('exited'))).toBe(false);
});

test('new rules narrow a running session at once, and taken back they are as if they had not been', async () => {
  const { here, controller, id } = await opened([{ preset: 'profile' }]);
  const outcome = async (execId: string, command: string) => {
    controller.send('exec.start', start(id, execId, command));
    await settled();
    return started(here).includes(execId);
  };
  const before = here.rules.rules;
  expect(await outcome('a', 'make')).toBe(true);
  here.rules.rules = [{ tool: 'exec', args: { command: 'make*' }, action: 'deny' }, { preset: 'full' }];
  expect(await outcome('b', 'make')).toBe(false);
  expect(here.audit.of('decision').at(-1)).toMatchObject({ execId: 'b', verdict: 'deny', narrowedBySha256: expect.any(String) });
  here.rules.rules = before;
  expect(await outcome('c', 'make')).toBe(true);
  here.rules.rules = [{ preset: 'full' }];
  here.rules.hardFloor = false;
  expect(await outcome('d', 'rm -rf /'), 'wider rules are not for those who were opened under narrower ones').toBe(false);
});
