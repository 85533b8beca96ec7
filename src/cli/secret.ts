import { readFileSync } from 'node:fs';
import { refuse } from '../kit/refusal.ts';
import type { Args } from './command.ts';

const misuse = (text: string) => refuse('client', 'bad-usage', text);

/** `--name`, or the text of `--name-file` (`-`: stdin): what stands on a command line is seen by everybody on the machine. */
export function readSecret(args: Args, name: string): string | undefined {
  const [given, file] = [args.text(name), args.text(`${name}-file`)];
  if (given !== undefined && file !== undefined)
    throw misuse(`--${name} and --${name}-file exclude each other.`);
  if (file === undefined) return given;
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  } catch (error) {
    throw misuse(`--${name}-file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
  if (text === '') throw misuse(`--${name}-file ${file} is empty.`);
  return text;
}
