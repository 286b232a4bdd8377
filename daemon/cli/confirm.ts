// `cloister confirm`: questions that wait for a person, and answering them in place of the session's controller.

import { type Command, InvalidArgumentError } from 'commander';
import { SandboxError } from '../../client/index.ts';
import { act, printJson } from '../../client/cli/act.ts';
import { type CliContext } from '../../client/cli/index.ts';
import { formatTable, tableOptionsOf } from '../../client/cli/table.ts';

const ANSWERS = ['allow-once', 'allow-session', 'deny'] as const;
type Answer = (typeof ANSWERS)[number];

export function addConfirmCommand(program: Command, context: CliContext): void {
  const confirm = program.command('confirm').description('questions that rules ask before something is done');
  confirm
    .command('list')
    .description('list the questions that wait for an answer')
    .option('--tenant <name>', 'only those of this tenant')
    .action((flags: { readonly tenant?: string }) =>
      act(context, 1, async ({ operations }) => {
        const waiting = await operations.confirmations(flags.tenant === undefined ? {} : { tenant: flags.tenant });
        if (context.json) printJson(context, waiting);
        else
          context.out.write(
            formatTable(
              ['ID', 'SESSION', 'TOOL', 'RULE', 'EXPIRES', 'WHAT'],
              waiting.map(({ id, session, tool, rule, expiresAt, summary }) => [id, session, tool, rule, expiresAt, summary]),
              tableOptionsOf(context.out),
            ),
          );
        return 0;
      }),
    );
  confirm
    .command('answer')
    .description('answer a question: allow-once, allow-session or deny')
    .argument('<id>', 'as confirm list shows it')
    .argument('<answer>', ANSWERS.join(', '), parseAnswer)
    .action((id: string, answer: Answer) =>
      act(context, 1, async ({ operations }) => {
        const asked = (await operations.confirmations()).find((request) => request.id === id);
        if (asked === undefined)
          throw new SandboxError('NOT_FOUND', `Cannot answer confirmation ${id}: it is not waited for`, {
            hint: 'cloister confirm list shows what waits.',
          });
        await operations.answer(asked, answer);
        if (context.json) printJson(context, { id, answer });
        return 0;
      }),
    );
}

function parseAnswer(text: string): Answer {
  const answer = ANSWERS.find((known) => known === text);
  if (answer === undefined) throw new InvalidArgumentError(`Must be ${ANSWERS.join(', ')}.`);
  return answer;
}
