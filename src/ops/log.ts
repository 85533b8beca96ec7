import type { Writable } from 'node:stream';
import { destination, pino } from 'pino';
import type { Log } from '../contract.ts';
import { maskFields, maskText } from './mask.ts';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Lines for a person instead of JSON. */
  readonly pretty: boolean;
  /** Default: stdout. */
  readonly to?: Writable | undefined;
  /** In every line: the process, say. */
  readonly base?: Readonly<Record<string, string>>;
}

export interface RootLog extends Log {
  /** The same log with fields of its own in every line. */
  child(fields: Readonly<Record<string, string>>): RootLog;
  /** Writes what is still held back. */
  close(): Promise<void>;
}

/** The process's log: credentials masked in every field and text, whoever writes. */
export function createLog(options: LogOptions): RootLog {
  const own = options.to === undefined ? stdout() : undefined;
  const out: Writable | SonicBoom = own ?? (options.to as Writable);
  const target: { write(line: string): unknown } = options.pretty ? prettyTo(out) : out;
  const root = pino(
    {
      level: options.level,
      base: options.base ?? {},
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
    },
    target as pino.DestinationStream,
  );
  const state = { open: true };
  const close = (): Promise<void> =>
    new Promise(done => {
      state.open = false;
      if (own === undefined) done();
      else {
        own.once('close', () => done());
        own.end();
      }
    });
  return wrap(root, state, close);
}

/** A word that comes after the end (a socket's, a library's) is lost, and does no harm. */
function wrap(p: pino.Logger, state: { readonly open: boolean }, close: () => Promise<void>): RootLog {
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, text: string) => {
    if (state.open && p.isLevelEnabled(level)) p[level](maskFields(fields) as object, maskText(text));
  };
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: fields => wrap(p.child(fields), state, close),
    close,
  };
}

type SonicBoom = ReturnType<typeof destination>;

/** Never waits for a slow reader of our output, and does not die with it. */
function stdout(): SonicBoom {
  const out = destination({ fd: 1, sync: false });
  out.on('error', () => {}); // EPIPE: whoever read our log is gone; the legs go on
  return out;
}

const COLOURS: Readonly<Record<string, string>> = { debug: '90', info: '36', warn: '33', error: '31' };
const SKIPPED = new Set(['time', 'level', 'msg', 'err']);

/** One JSON line as a person reads it: `12:03:04.123 info  opened  leg=a1 room=1000`. */
export function prettyLine(json: string, colour: boolean): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const paint = (code: string, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const level = String(entry.level);
  const fields = Object.entries(entry)
    .filter(([k, v]) => !SKIPPED.has(k) && v !== undefined && v !== '')
    .map(([k, v]) => `${paint('90', `${k}=`)}${fieldText(v)}`);
  const time = paint('90', String(entry.time).slice(11, 23));
  const head = `${time} ${paint(COLOURS[level] ?? '0', level.padEnd(5))} ${printable(String(entry.msg ?? ''))}`;
  const err = entry.err as { stack?: string; message?: string } | undefined;
  const stack = err?.stack ?? err?.message;
  return [[head, ...fields].join('  '), ...(stack ? [`    ${stack.replaceAll('\n', '\n    ')}`] : [])].join(
    '\n',
  );
}

function fieldText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[\s"]/.test(text) && typeof value === 'string' ? JSON.stringify(text) : printable(text);
}

/** Control characters of a stranger must not steer the terminal. */
const printable = (text: string): string =>
  text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f]/g,
    c => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );

function prettyTo(out: Writable | SonicBoom): { write(line: string): void } {
  const tty = 'isTTY' in out ? out.isTTY === true : process.stdout.isTTY === true;
  const colour = tty && process.env.NO_COLOR === undefined;
  return { write: line => void out.write(`${prettyLine(line.trimEnd(), colour)}\n`) };
}
