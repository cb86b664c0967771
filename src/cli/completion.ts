import { settings } from '../base/config-table.js';
import { flagOf } from '../base/config-sources.js';
import { type Command, type Commands, EXIT_OK, UsageError } from './command.js';

/** A script for the shell, made from the same tables as `--help`: it cannot fall behind them. */
export const completion: Command = {
  summary: 'Print a completion script for bash or zsh.',
  usage: 'bash|zsh   (in bash: source <(millrace completion bash))',
  options: {},
  async run({ positionals, terminal, commands }) {
    const [shell] = positionals;
    if (shell !== 'bash' && shell !== 'zsh') throw new UsageError('expected the name of a shell: bash or zsh');
    const words = await completionWords(commands);
    // zsh runs bash's completion functions.
    if (shell === 'zsh') terminal.out('autoload -U +X bashcompinit && bashcompinit\n');
    terminal.out(bashScript(words));
    return EXIT_OK;
  },
};

/** By command, the flags that it knows. */
async function completionWords(commands: Commands): Promise<ReadonlyMap<string, readonly string[]>> {
  const words = new Map<string, readonly string[]>([['run', Object.keys(settings).map(flagOf)]]);
  for (const [name, load] of Object.entries(commands)) {
    words.set(
      name,
      Object.keys((await load()).options).map((option) => `--${option}`),
    );
  }
  return words;
}

function bashScript(words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([name, flags]) => `    ${name}) words='${flags.join(' ')} --help' ;;`);
  return `_millrace() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) words='${[...words.keys()].join(' ')} help --help --version' ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words='${[...words.keys()].join(' ')} help --help --version'
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] && return
  # A path may have a space in it.
  local IFS=$'\\n'
  COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _millrace millrace
`;
}
