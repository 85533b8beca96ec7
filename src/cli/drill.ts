import { request as http } from 'node:http';
import { request as https } from 'node:https';
import type { Composed, Loaded } from '../config.ts';
import { formatDuration } from '../kit/duration.ts';
import { IMPAIRMENT_WORDS, readImpairment } from '../kit/impairment-words.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { DrillView } from '../ops/api/backend.ts';
import { keptAdminKey } from '../ops/data-dir.ts';
import type { Args, Command, Io } from './command.ts';
import { CONFIG_OPTION, readConfig } from './load.ts';
import { readSecret } from './secret.ts';

const DIRECTIONS = ['both', 'to-member', 'from-member'] as const;
const MAX_SECONDS = 600;
const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 256 * 1024;

interface Api {
  readonly url: URL;
  readonly key: string;
  readonly insecure: boolean;
}

/** `roombridge drill`: a bad network on purpose, for a while, in a room or for one leg. */
export const drillCommand = (composed: Composed): Command => ({
  name: 'drill',
  summary:
    'Makes the network of a room (or of one leg) bad for a while: it ends by itself, and everyone in the room is told.',
  operands: ['<room|leg>'],
  options: {
    ...Object.fromEntries(
      Object.entries(IMPAIRMENT_WORDS).map(([word, { value, does }]) => [word, { value, describe: does }]),
    ),
    seconds: { value: 'N', describe: `How long; ${MAX_SECONDS} at most. Default: 60.` },
    direction: { value: 'WAY', describe: `Which way: ${DIRECTIONS.join(', ')}. Default: both.` },
    stop: { describe: 'Ends the drill that runs in this room, or on this leg.' },
    url: {
      value: 'URL',
      describe: 'Where the API is. Default: the https port of the config, on this machine.',
    },
    key: { value: 'KEY', describe: 'Admin key. Default: the one in the config or kept in dataDir.' },
    'key-file': { value: 'FILE', describe: 'Where the key stands, out of sight of ps; - is stdin.' },
    insecure: { describe: 'Takes any https certificate. This machine is trusted without.' },
    json: { describe: 'Prints one JSON object instead of words.' },
    ...CONFIG_OPTION,
  },
  async run(args, io) {
    const [target = ''] = args.operands;
    const ask = args.flag('stop') ? undefined : askOf(args);
    const api = await apiOf(args, readConfig(composed, args, io.env));
    if (ask === undefined) return stop(api, target, io);
    const wanted = { ...ask, ...(await targetOf(api, target)) };
    const made = (await call(api, 'POST', '/drills', wanted).catch(error => {
      throw reasonOf(error) === 'no-such-room' ? nobody(target) : error;
    })) as unknown as DrillView;
    io.stdout.write(args.flag('json') ? `${JSON.stringify(made)}\n` : wordsOf(made));
    return 0;
  },
});

const misuse = (text: string) => refuse('client', 'bad-usage', text);

function askOf(args: Args) {
  const impairment = Object.fromEntries(
    Object.keys(IMPAIRMENT_WORDS).flatMap(word => {
      const value = args.text(word);
      return value === undefined ? [] : [[word, value]];
    }),
  );
  if (Object.keys(impairment).length === 0)
    throw misuse('roombridge drill needs something to impair: --loss 30%, --delay 100ms …');
  readImpairment(impairment); // refuses here, before anything is asked
  const text = args.text('seconds') ?? '60';
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > MAX_SECONDS)
    throw misuse(`--seconds ${text} is not a whole number from 1 to ${MAX_SECONDS}.`);
  const way = args.text('direction') ?? 'both';
  const direction = DIRECTIONS.find(d => d === way);
  if (direction === undefined) throw misuse(`--direction ${way} is none: write ${DIRECTIONS.join(', ')}.`);
  return { impairment, seconds, direction };
}

async function apiOf(args: Args, { platform }: Loaded): Promise<Api> {
  const given = args.text('url');
  if (given === undefined && platform.http.httpsPort === 0)
    throw misuse('The config leaves the https port to the system: give --url as it was printed at start.');
  const text = given ?? `https://localhost:${platform.http.httpsPort}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw misuse(`--url ${text} is no address of a server: write https://host:8443.`);
  const key = readSecret(args, 'key') ?? (await keptAdminKey(platform.dataDir, platform.auth.adminKey));
  if (key === undefined)
    throw misuse(`No admin key is kept in ${platform.dataDir}: give --key-file, or --config of the server.`);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return { url, key, insecure: args.flag('insecure') || local };
}

/** A leg if there is one of this id, else a room. */
async function targetOf(api: Api, target: string): Promise<{ leg: string } | { room: string }> {
  try {
    await call(api, 'GET', `/legs/${encodeURIComponent(target)}`);
    return { leg: target };
  } catch (error) {
    if (reasonOf(error) !== 'no-such-leg') throw error;
    return { room: target };
  }
}

const reasonOf = (error: unknown): string | undefined =>
  error instanceof Refusal ? error.why.reason : undefined;

const nobody = (target: string): Refusal =>
  refuse(
    'client',
    'no-such-target',
    `${target} is neither a leg nor a room with somebody in it: GET /api/v1/legs and /api/v1/rooms say what there is.`,
  );

async function stop(api: Api, target: string, io: Io): Promise<number> {
  const all = (await call(api, 'GET', '/drills')) as unknown as readonly DrillView[];
  const found = all.find(d => d.drill === target || d.leg === target || d.room === target);
  if (found === undefined) throw refuse('client', 'no-such-drill', `No drill runs in ${target} now.`);
  await call(api, 'DELETE', `/drills/${found.drill}`);
  io.stdout.write(`Ended ${found.drill} in room ${found.room}.\n`);
  return 0;
}

function wordsOf(d: DrillView): string {
  const how = Object.entries(d.impairment).map(([word, value]) => `${word} ${value}`);
  const way = d.direction === 'both' ? 'both ways' : d.direction.replace('-', ' ');
  const legs = d.legs.map(
    l => `  ${l.leg}  ${l.gateway}  ${l.participant}  ${l.impaired ? 'impaired' : `as it was: ${l.text}`}`,
  );
  return [
    `${d.drill}: room ${d.room}, ${how.join(', ')}, ${way}, for ${formatDuration(d.endsAt - d.startedAt)}.`,
    ...legs,
    `To end it earlier: roombridge drill ${d.room} --stop`,
    '',
  ].join('\n');
}

/** One call of the API. Rejects with a Refusal: the server's own words, or why it was not reached. */
function call({ url, key, insecure }: Api, method: string, path: string, body?: object): Promise<unknown> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((done, fail) => {
    const send = url.protocol === 'https:' ? https : http;
    const options = {
      method,
      agent: false as const,
      rejectUnauthorized: !insecure,
      headers: {
        authorization: `Bearer ${key}`,
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
      },
    };
    const sent = send(new URL(`/api/v1${path}`, url), options, response => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        if ((bytes += part.length) > MAX_BODY_BYTES)
          response.destroy(unreachable(url, 'it answers without end'));
        parts.push(part);
      });
      response.once('error', fail);
      response.once('end', () => {
        try {
          done(answerOf(response.statusCode ?? 0, Buffer.concat(parts).toString(), url));
        } catch (error) {
          fail(error);
        }
      });
    });
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy(unreachable(url, 'it did not answer within 10 s')));
    sent.once('error', (e: NodeJS.ErrnoException) =>
      fail(e.code === undefined ? e : unreachable(url, e.code)),
    );
    sent.end(text);
  });
}

const OTHER_KEY = 'Drills are for admins: give its key by --key-file, or its config by --config.';

function answerOf(status: number, text: string, url: URL): unknown {
  let json: unknown;
  try {
    json = text === '' ? undefined : JSON.parse(text);
  } catch {
    throw unreachable(url, `what answers there (${status}) is not the API`);
  }
  if (status < 400) return json;
  const { type, detail } = (json ?? {}) as { type?: string; detail?: string };
  const reason = String(type ?? '').replace('urn:roombridge:problem:', '') || 'refused';
  const said = detail ?? `The server says ${status}.`;
  throw refuse('upstream', reason, status === 401 ? `${said} ${OTHER_KEY}` : said);
}

const unreachable = (url: URL, why: string) =>
  refuse(
    'upstream',
    'api-unreachable',
    `The API at ${url.origin} cannot be used (${why}): is Roombridge running there? --url names another address.`,
  );
