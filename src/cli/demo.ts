import type { Composed, Loaded } from '../config.ts';
import type { Gateway } from '../contract.ts';
import type { RunningNode } from '../node/start.ts';
import { EVERYTHING, mintToken } from '../ops/tokens.ts';
import type { Command, Io } from './command.ts';
import { CONFIG_OPTION, readConfig } from './load.ts';
import { runNode } from './up.ts';

const ROOM = '1000';
const LOOPBACK = /\/\/(localhost|127\.|\[::1\])/;
const TOKEN_MS = 24 * 3600 * 1000;

/** Where the members of the demo go: this process, on this machine. */
interface DemoPlace {
  readonly room: string;
  readonly sip: { readonly host: string; readonly port: number };
  readonly rtmp: { readonly host: string; readonly port: number };
  readonly web: string;
  readonly token?: (user: string) => Promise<string>;
}

/** Brings members into a room; returns how to end it. `say` hears why somebody could not come. */
export type Demo = (place: DemoPlace, say: (text: string) => void) => Promise<() => Promise<void>>;

/** `roombridge demo`: `up`, with one real member of every kind in room 1000. */
export const demoCommand = (
  composed: Composed,
  gateways: readonly Gateway[],
  version: string,
  demo: Demo,
): Command => ({
  name: 'demo',
  summary: `Runs Roombridge with a phone, a mini-program and a browser of its own in room ${ROOM}.`,
  options: CONFIG_OPTION,
  run(args, io) {
    const config = readConfig(composed, args, io.env);
    return runNode({ config, gateways, version }, io, async (node, log) => {
      const place = placeOf(node, config);
      const leave = await demo(place, text => log.warn({}, text));
      await invite(node, place, io);
      return leave;
    });
  },
});

/** The addresses the process listens on, as its own members reach them. */
function placeOf({ addresses }: RunningNode, config: Loaded): DemoPlace {
  const port = (pattern: RegExp, usual: number): number => {
    const found = addresses.map(a => pattern.exec(a.url)?.[1]).find(p => p !== undefined);
    return found === undefined ? usual : Number(found);
  };
  const pages = addresses.filter(a => a.what === 'room page').map(a => new URL(a.url).origin);
  const web = pages.find(p => p.startsWith('http:')) ?? pages[0] ?? '';
  const [app] = config.platform.auth.apps;
  return {
    room: ROOM,
    sip: { host: hostOf(config, 'sip'), port: port(/^sip:.*:(\d+)$/, 5060) },
    rtmp: { host: hostOf(config, 'rtmp'), port: port(/^rtmp:.*?:(\d+)\//, 1935) },
    web,
    ...(app && {
      token: user =>
        mintToken(app, {
          room: ROOM,
          user,
          exp: Math.floor((Date.now() + TOKEN_MS) / 1000),
          can: EVERYTHING,
        }),
    }),
  };
}

/** Where a gateway can be reached from this machine. */
function hostOf({ gateways }: Loaded, name: string): string {
  const { address } = (gateways[name] ?? {}) as { address?: unknown };
  const anywhere = typeof address !== 'string' || address === '0.0.0.0' || address === '::';
  return anywhere ? '127.0.0.1' : address;
}

/** The address to open, so that it cannot be overlooked. */
async function invite({ addresses }: RunningNode, place: DemoPlace, io: Io): Promise<void> {
  const guest = await place.token?.('guest');
  const query = guest === undefined ? '' : `?token=${encodeURIComponent(guest)}`;
  const own = `${place.web}/r/${ROOM}${query}`;
  const secure = addresses.find(a => a.what === 'room page' && !LOOPBACK.test(a.url))?.url;
  const lines = ['Open this page in a browser on this machine:', '', `  ${own}`, ''];
  if (secure !== undefined)
    lines.push(
      'or from another one, whose browser asks about the certificate once:',
      '',
      `  ${secure}${query}`,
      '',
    );
  lines.push('A phone, a mini-program and a browser are there already, each a real client of its protocol.');
  const width = Math.max(...lines.map(l => l.length)) + 4;
  const bar = '='.repeat(Math.min(width, 100));
  io.stdout.write(`\n${bar}\n\n${lines.map(l => `  ${l}`.trimEnd()).join('\n')}\n\n${bar}\n\n`);
}
