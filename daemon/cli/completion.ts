// `cloister completion`: a script for the user's shell, made from the verbs and options there are. Pure but for its printing.

import { Argument, type Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

interface Verb {
  /** `token create`, for example; empty for the program itself. */
  readonly path: string;
  readonly description: string;
  readonly options: readonly { readonly long: string; readonly description: string }[];
  readonly verbs: readonly string[];
}

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a completion script: source <(cloister completion bash)')
    .addArgument(new Argument('<shell>', 'shell it is for').choices(SHELLS))
    .action((shell: (typeof SHELLS)[number]) => {
      const verbs = verbsOf(program, '');
      context.out.write(shell === 'fish' ? fishScript(verbs) : shell === 'zsh' ? zshScript(verbs) : bashScript(verbs));
    });
}

function verbsOf(command: Command, path: string): Verb[] {
  const own = command.commands.filter((each) => each.name() !== 'help');
  const options = command.options.flatMap(({ long, description }) => (typeof long === 'string' ? [{ long, description }] : []));
  const verb: Verb = { path, description: command.description(), options, verbs: own.map((each) => each.name()) };
  return [verb, ...own.flatMap((each) => verbsOf(each, path === '' ? each.name() : `${path} ${each.name()}`))];
}

const wordsOf = ({ verbs, options }: Verb): string => [...verbs, ...options.map(({ long }) => long), '--help'].join(' ');

/** The words before the cursor that are verbs say which words may come; behind a session or file anything may. */
function bashScript(verbs: readonly Verb[]): string {
  return `# bash completion of cloister
_cloister() {
  local word path="" words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
${verbs
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      '${path}') path='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${verbs.map((verb) => `    '${verb.path}') words='${wordsOf(verb)}' ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _cloister cloister
`;
}

const zshScript = (verbs: readonly Verb[]): string => `#compdef cloister
autoload -U +X bashcompinit && bashcompinit
${bashScript(verbs)}`;

function fishScript(verbs: readonly Verb[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = verbs.flatMap(({ path, options, verbs: own }) => {
    const words = path.split(' ').filter((word) => word !== '');
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
    const inner =
      own.length === 0 ? [] : [words.length === 0 ? '__fish_use_subcommand' : `not __fish_seen_subcommand_from ${own.join(' ')}`];
    const when = (conditions: readonly string[]): string => (conditions.length === 0 ? '' : ` -n ${quote(conditions.join('; and '))}`);
    return [
      ...own.map((name) => {
        const description = verbs.find((each) => each.path === [...words, name].join(' '))?.description ?? '';
        return `complete -c cloister${when([...seen, ...inner])} -f -a ${name} -d ${quote(description)}`;
      }),
      ...options.map(({ long, description }) => `complete -c cloister${when(seen)} -l ${long.slice(2)} -d ${quote(description)}`),
    ];
  });
  return `# fish completion of cloister\n${lines.join('\n')}\n`;
}
