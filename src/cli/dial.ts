import type { Json } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { Args, Command, Io } from './command.ts';
import { progress } from './progress.ts';
import { readSecret } from './secret.ts';

/** What the command asks of a dialer. */
interface DialAsk {
  readonly target: string;
  readonly toneHz: number;
  readonly seconds: number;
  readonly expectHz: number | undefined;
  readonly codec: (typeof CODECS)[number] | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  readonly soundOnly: boolean;
  readonly expectPicture: boolean;
  readonly insecure: boolean;
}

interface Dialled {
  readonly pass: boolean;
  readonly json: Json;
  readonly text: string;
}

/** `say` gets what is being done; aborting hangs up. */
export type Dialer = (ask: DialAsk, say: (text: string) => void, signal: AbortSignal) => Promise<Dialled>;

const CODECS = ['opus', 'G722', 'PCMU', 'PCMA'] as const;
/** What telephones carry. */
const TONE_HZ = { least: 100, most: 3600 };
const MAX_SECONDS = 3600;

/** `roombridge dial`: a caller of our own that tells which hop broke. */
export const dialCommand = (dial: Dialer): Command => ({
  name: 'dial',
  summary:
    'Calls a room, sends a tone and a moving picture, listens, looks, and tells which hop broke. Exit status 0: all held.',
  operands: ['<target>'],
  options: {
    tone: { value: 'HZ', describe: 'Tone to send, at -20 dBFS. Default: 440.' },
    seconds: { value: 'N', describe: 'How long to talk. Default: 5.' },
    'expect-tone': { value: 'HZ', describe: 'Fails unless this tone is heard at -40 dBFS or more.' },
    'expect-picture': { describe: 'Fails unless a picture comes and can be decoded.' },
    'sound-only': { describe: 'Sends no picture and asks for none.' },
    codec: { value: 'NAME', describe: `The only codec to offer (${CODECS.join(', ')}). SIP only.` },
    user: { value: 'NAME', describe: 'Who calls; the user name of --password. Default: dialer.' },
    password: { value: 'TEXT', describe: 'Digest password (roombridge token --digest prints both).' },
    'password-file': {
      value: 'FILE',
      describe: 'Where the password stands, out of sight of ps; - is stdin.',
    },
    token: { value: 'TOKEN', describe: 'Room token (roombridge token mints one).' },
    'token-file': { value: 'FILE', describe: 'Where the token stands, out of sight of ps; - is stdin.' },
    insecure: { describe: 'Takes any certificate (https, artp). This machine is trusted without.' },
    json: { describe: 'Prints one JSON object instead of the table.' },
  },
  async run(args, io) {
    const ask = askOf(args, secretsOf(args));
    const line = progress(io.stderr, 'dialling');
    const stop = new AbortController();
    const hangUp = (): void => stop.abort();
    // However often: npm passes Ctrl-C on to a process that had it already. Hanging up takes two seconds at most.
    process.on('SIGINT', hangUp).on('SIGTERM', hangUp);
    try {
      const result = await dial(ask, text => line.say(text), stop.signal);
      line.end();
      print(result, args.flag('json'), io);
      return result.pass ? 0 : 1;
    } finally {
      line.end();
      process.off('SIGINT', hangUp).off('SIGTERM', hangUp);
    }
  },
});

function print({ json, text }: Dialled, asJson: boolean, io: Io): void {
  io.stdout.write(asJson ? `${JSON.stringify(json)}\n` : text);
}

function askOf(args: Args, { password, token }: Secrets): DialAsk {
  const codec = args.text('codec');
  const known = CODECS.find(c => c.toLowerCase() === codec?.toLowerCase());
  if (codec !== undefined && known === undefined)
    throw misuse(`--codec ${codec} is none that rooms carry: write ${CODECS.join(', ')}.`);
  if (password !== undefined && args.text('user') === undefined)
    throw misuse('--password needs --user, the name it belongs to.');
  if (args.flag('sound-only') && args.flag('expect-picture'))
    throw misuse('--sound-only and --expect-picture exclude each other.');
  return {
    target: args.operands[0] ?? '',
    toneHz: hertz(args, 'tone') ?? 440,
    seconds: seconds(args.text('seconds') ?? '5'),
    expectHz: hertz(args, 'expect-tone'),
    codec: known,
    user: args.text('user'),
    password,
    token,
    soundOnly: args.flag('sound-only'),
    expectPicture: args.flag('expect-picture'),
    insecure: args.flag('insecure'),
  };
}

interface Secrets {
  readonly password: string | undefined;
  readonly token: string | undefined;
}

const secretsOf = (args: Args): Secrets => ({
  password: readSecret(args, 'password'),
  token: readSecret(args, 'token'),
});

function hertz(args: Args, name: string): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const hz = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (hz < TONE_HZ.least || hz > TONE_HZ.most)
    throw misuse(
      `--${name} ${text} is no tone a telephone carries: write whole Hz from ${TONE_HZ.least} to ${TONE_HZ.most}.`,
    );
  return hz;
}

function seconds(text: string): number {
  const value = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > MAX_SECONDS)
    throw misuse(`--seconds ${text} is not between 1 and ${MAX_SECONDS}.`);
  return value;
}

const misuse = (text: string) => refuse('client', 'bad-usage', text);
