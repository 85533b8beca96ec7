import { parseArgs } from 'node:util';
import { nearest } from '../kit/nearest.ts';
import { Refusal, refuse } from '../kit/refusal.ts';

export interface Option {
  readonly describe: string;
  /** Name of its value in the help, `FILE`; without it the option is a switch. */
  readonly value?: string;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Arguments that are no options, as the help shows them: `['<target>']`. All are needed. */
  readonly operands?: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** The exit status. A thrown Refusal is printed as its sentence, with exit status 1. */
  run(args: Args, io: Io): Promise<number>;
}

export interface Args {
  readonly operands: readonly string[];
  /** The value of an option, if it was given. */
  text(name: string): string | undefined;
  flag(name: string): boolean;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PROGRAM = 'roombridge';
const HELP: Option = { describe: 'Shows this.' };

/** Runs the command that `argv` (without node and script) names and returns the exit status. */
export async function runCli(
  argv: readonly string[],
  commands: readonly Command[],
  io: Io = process,
): Promise<number> {
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      const about = commands.find(c => c.name === rest[0]);
      io.stdout.write(about ? helpOf(about) : overview(commands));
      return name === undefined ? 1 : 0;
    }
    const command = commands.find(c => c.name === name);
    if (command === undefined) throw unknownCommand(name, commands);
    const args = readArgs(command, rest);
    if (args.flag('help')) {
      io.stdout.write(helpOf(command));
      return 0;
    }
    return await command.run(args, io);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    io.stderr.write(`${error.message}\n`);
    return 1;
  }
}

const misuse = (text: string): Refusal => refuse('client', 'bad-usage', text);

function unknownCommand(name: string, commands: readonly Command[]): Refusal {
  const names = commands.map(c => c.name);
  const meant = nearest(name, names);
  return misuse(
    `There is no command ${name}${meant ? `: did you mean ${meant}?` : `; there are ${names.join(', ')}.`}`,
  );
}

function readArgs(command: Command, argv: readonly string[]): Args {
  const options: Record<string, Option> = { ...command.options, help: HELP };
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      ...Object.fromEntries(
        Object.entries(options).map(([k, o]) => [k, { type: o.value ? 'string' : 'boolean' } as const]),
      ),
      help: { type: 'boolean', short: 'h' },
    },
  });
  const given = new Map<string, string | true>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw unknownOption(command, token.rawName, Object.keys(options));
    if (option.value && token.value === undefined)
      throw misuse(`${token.rawName} needs a value: ${token.rawName} ${option.value}.`);
    if (!option.value && token.value !== undefined) throw misuse(`${token.rawName} takes no value.`);
    given.set(token.name, token.value ?? true);
  }
  checkOperands(command, operands, given.has('help'));
  return {
    operands,
    text: name => {
      const value = given.get(name);
      return typeof value === 'string' ? value : undefined;
    },
    flag: name => given.has(name),
  };
}

function unknownOption(command: Command, raw: string, names: readonly string[]): Refusal {
  const meant = nearest(raw.replace(/^-+/, ''), names);
  return misuse(
    `${PROGRAM} ${command.name} has no option ${raw}${
      meant ? `: did you mean --${meant}?` : `; see ${PROGRAM} ${command.name} --help.`
    }`,
  );
}

function checkOperands(command: Command, operands: readonly string[], help: boolean): void {
  const wanted = command.operands ?? [];
  if (help) return;
  const missing = wanted[operands.length];
  if (missing !== undefined) throw misuse(`${PROGRAM} ${command.name} needs ${missing}.`);
  if (operands.length > wanted.length)
    throw misuse(`${PROGRAM} ${command.name} does not know what to do with "${operands[wanted.length]}".`);
}

function overview(commands: readonly Command[]): string {
  const rows = commands.map(c => [c.name, c.summary] as const);
  return [
    `Usage: ${PROGRAM} <command> [options]`,
    '',
    ...table(rows),
    '',
    `${PROGRAM} <command> --help tells its options.`,
    '',
  ].join('\n');
}

function helpOf(command: Command): string {
  const options = { ...command.options, help: HELP };
  const rows = Object.entries(options).map(
    ([name, o]) => [`--${name}${o.value ? ` ${o.value}` : ''}`, o.describe] as const,
  );
  const usage = [PROGRAM, command.name, ...(command.operands ?? []), '[options]'].join(' ');
  return [`Usage: ${usage}`, '', command.summary, '', ...table(rows), ''].join('\n');
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
