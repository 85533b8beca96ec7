import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CONFIG_FILE_VARIABLE, type Override } from '../config/env.ts';
import { type Composed, type Loaded, loadConfig } from '../config.ts';
import { refuse } from '../kit/refusal.ts';
import type { Args, Io, Option } from './command.ts';

/** Options of every command that reads the config. */
export const CONFIG_OPTION: Readonly<Record<string, Option>> = {
  config: {
    value: 'FILE',
    describe: 'Config file. Default: $ROOMBRIDGE_CONFIG, or roombridge.yaml if it is here.',
  },
};

/** Of those that are about one process of several. */
export const PROCESS_OPTIONS: Readonly<Record<string, Option>> = {
  ...CONFIG_OPTION,
  roles: {
    value: 'a,b',
    describe: 'What this process does: front, agent, room, router, or finer (see README). Default: all.',
  },
  bus: { value: 'URL', describe: 'NATS server that joins several processes, nats://host:port.' },
};

const HERE = 'roombridge.yaml';

export interface Read extends Loaded {
  /** The file that was read, if any. */
  readonly file: string | undefined;
}

/** Reads the config a command was given: `--config`, `--roles` and `--bus` over the environment over the file. */
export function readConfig(composed: Composed, args: Args, env: Io['env']): Read {
  const named = args.text('config') ?? (env[CONFIG_FILE_VARIABLE] || undefined);
  const path = named !== undefined ? resolve(named) : existsSync(HERE) ? resolve(HERE) : undefined;
  const options: Override[] = [];
  const roles = args.text('roles');
  if (roles !== undefined)
    options.push({ path: ['roles'], value: roles.split(',').map(r => r.trim()), from: '--roles' });
  const bus = args.text('bus');
  if (bus !== undefined) options.push({ path: ['bus', 'url'], value: bus, from: '--bus' });
  const file = path === undefined ? undefined : { path, text: readText(path) };
  return { ...loadConfig(composed, { file, env, options }), file: path };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw refuse(
      'client',
      'no-config-file',
      `The config file ${path} cannot be read (${(error as NodeJS.ErrnoException).code}): check the name and the permissions.`,
    );
  }
}
