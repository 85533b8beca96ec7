import type { Composed } from '../config.ts';
import { parseDuration } from '../kit/duration.ts';
import { nearest } from '../kit/nearest.ts';
import { type Refusal, refuse } from '../kit/refusal.ts';
import { type App, digestPassword, EVERYTHING, mintToken } from '../ops/tokens.ts';
import type { Args, Command } from './command.ts';
import { CONFIG_OPTION, readConfig } from './load.ts';

const bad = (text: string): Refusal => refuse('client', 'bad-usage', text);

export const tokenCommand = (composed: Composed, now: () => number = Date.now): Command => ({
  name: 'token',
  summary: 'Mints a token that lets one user into one room.',
  options: {
    room: { value: 'ROOM', describe: 'Room it is good for.' },
    user: { value: 'USER', describe: 'User it is good for.' },
    app: { value: 'KEY', describe: 'App of auth.apps that signs it. Default: the only one.' },
    ttl: { value: 'TIME', describe: 'How long it is good: 30m, 2h. Default: 1h.' },
    can: { value: 'LIST', describe: 'What it permits. Default: publish,subscribe.' },
    digest: { describe: 'Prints username and password for a SIP device that knows only digest.' },
    ...CONFIG_OPTION,
  },
  async run(args, io) {
    const room = needed(args, 'room');
    const user = needed(args, 'user');
    const ttl = args.text('ttl') ?? '1h';
    const ttlMs = parseDuration(ttl);
    if (ttlMs === undefined || ttlMs < 1000)
      throw bad(`--ttl ${ttl} is no time of a second or more: write it as 90s, 30m, 2h or 1d.`);
    const app = appOf(readConfig(composed, args, io.env).platform.auth.apps, args.text('app'));
    const exp = Math.floor((now() + ttlMs) / 1000);
    if (args.flag('digest')) {
      if (room.includes(':')) throw bad('A digest username cannot carry a room with a colon in its name.');
      const username = `${exp}:${room}:${user}`;
      io.stdout.write(`${username}\n${digestPassword(app.secrets[0] ?? '', username)}\n`);
      return 0;
    }
    const can =
      args
        .text('can')
        ?.split(',')
        .map(c => c.trim()) ?? EVERYTHING;
    io.stdout.write(`${await mintToken(app, { room, user, exp, can })}\n`);
    return 0;
  },
});

function needed(args: Args, name: string): string {
  const value = args.text(name);
  if (value === undefined || value === '') throw bad(`roombridge token needs --${name}.`);
  return value;
}

function appOf(apps: readonly App[], key: string | undefined): App {
  const [only, second] = apps;
  if (only === undefined)
    throw bad(
      'Rooms are open and need no token: no app is configured. Add one to auth.apps to require tokens.',
    );
  const keys = apps.map(a => a.key);
  if (key === undefined) {
    if (second !== undefined) throw bad(`There are several apps: say which with --app (${keys.join(', ')}).`);
    return only;
  }
  const app = apps.find(a => a.key === key);
  if (app) return app;
  const meant = nearest(key, keys);
  throw bad(
    `There is no app ${key}${meant ? `: did you mean ${meant}?` : `; there are ${keys.join(', ')}.`}`,
  );
}
