import { stringify } from 'yaml';
import { type Composed, exampleYaml } from '../config.ts';
import type { Command } from './command.ts';
import { PROCESS_OPTIONS, readConfig } from './load.ts';

export const configCommand = (composed: Composed): Command => ({
  name: 'config',
  summary: 'Prints the config as it counts, secrets hidden, or an example with every key.',
  options: {
    ...PROCESS_OPTIONS,
    example: { describe: 'Prints every key with its description and default instead.' },
  },
  async run(args, io) {
    if (args.flag('example')) {
      io.stdout.write(exampleYaml(composed.shape));
      return 0;
    }
    const { shown, file } = readConfig(composed, args, io.env);
    io.stdout.write(`# ${file ?? 'No config file: defaults and environment.'}\n${stringify(shown)}`);
    return 0;
  },
});
