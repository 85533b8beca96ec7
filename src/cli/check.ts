import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { needsWeb, ROLES, runsGateway, runsPart } from '../config/roles.ts';
import type { Composed } from '../config.ts';
import { ConfigError } from '../config.ts';
import type { Clock, Finding, Gateway } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { terminationOf } from '../kit/refusal.ts';
import { openBus } from '../node/open-bus.ts';
import { adminKey, openDataDir } from '../ops/data-dir.ts';
import { keptCertificate, readCertificate } from '../ops/http/certificate.ts';
import { isLoopback, ownNames, reachableHost } from '../ops/http/names.ts';
import type { Command, Io } from './command.ts';
import { PROCESS_OPTIONS, type Read, readConfig } from './load.ts';
import { configuredPorts, portClashes, tryPort } from './ports.ts';
import { progress } from './progress.ts';

/** A library that carries media, and what is not possible without it. */
interface Library {
  readonly name: string;
  readonly load: () => Promise<unknown>;
  readonly needed: boolean;
  readonly without: string;
}

export interface CheckOptions {
  readonly libraries: readonly Library[];
  readonly clock: Clock;
  /** Unix ms. */
  readonly now: () => number;
}

const DEFAULTS: CheckOptions = {
  libraries: [
    {
      name: 'libopus-wasm',
      load: () => import('libopus-wasm'),
      needed: true,
      without: 'Opus cannot be coded, so browsers and phones do not hear each other',
    },
    {
      name: 'node-av',
      load: () => import('node-av'),
      needed: false,
      without: 'AAC cannot be coded, so RTMP members have no sound; everything else works',
    },
  ],
  clock: systemClock,
  now: Date.now,
};

const ok = (text: string): Finding => ({ level: 'ok', text });
const note = (text: string): Finding => ({ level: 'note', text });
const error = (text: string): Finding => ({ level: 'error', text });
const failed = (e: unknown): Finding => error(e instanceof Error ? e.message : terminationOf(e).reason);

export const checkCommand = (
  composed: Composed,
  options: Partial<CheckOptions> = {},
  gateways: readonly Gateway[] = [],
): Command => ({
  name: 'check',
  summary:
    'Says what of config, ports, certificates, libraries and clock would keep Roombridge from working.',
  options: PROCESS_OPTIONS,
  async run(args, io) {
    const { libraries, clock, now } = { ...DEFAULTS, ...options };
    const config = configFindings(composed, () => readConfig(composed, args, io.env));
    const { read } = config;
    const looks: [string, () => Promise<Finding[]>][] = [['config', async () => config.findings]];
    if (read !== undefined)
      looks.push(
        ['data directory', () => dataDir(read)],
        ['certificate', () => certificate(read, new Date(now()))],
        ['ports', () => ports(composed, read, gateways)],
        ['address', () => externalAddress(read)],
        ['bus', () => bus(read, clock)],
        ['access', async () => access(read)],
      );
    if (read !== undefined)
      for (const { name, check } of gateways)
        if (check !== undefined)
          looks.push([name, async () => [...(await check(read.gateways[name], clock))]]);
    looks.push(['libraries', () => codecs(libraries)], ['clock', async () => time(now())]);
    const errors = await report(looks, io, clock);
    io.stdout.write(
      errors === 0 ? '\nRoombridge can start.\n' : `\n${errors} to put right before Roombridge works.\n`,
    );
    return errors === 0 ? 0 : 1;
  },
});

/** Runs the looks one after the other, prints what each found, and returns the number of errors. */
async function report(
  looks: readonly [string, () => Promise<Finding[]>][],
  io: Io,
  clock: Clock,
): Promise<number> {
  let errors = 0;
  const live = progress(io.stdout, '', clock);
  try {
    for (const [what, look] of looks) {
      live.say(`looking at the ${what}`);
      for (const { level, text } of await look().catch(e => [failed(e)])) {
        if (level === 'error') errors++;
        const [first, ...more] = text.split('\n');
        live.print(`${level.padEnd(5)}  ${what}: ${first}`);
        for (const line of more) live.print(`       ${line}`);
      }
    }
  } finally {
    live.end();
  }
  return errors;
}

function configFindings(composed: Composed, load: () => Read): { findings: Finding[]; read?: Read } {
  try {
    const read = load();
    const from = read.file ?? 'the defaults (no config file)';
    return { findings: [ok(`${from}, ${composed.gateways.length} gateways.`)], read };
  } catch (e) {
    if (e instanceof ConfigError) return { findings: e.problems.map(error) };
    return { findings: [failed(e)] };
  }
}

async function dataDir({ platform }: Read): Promise<Finding[]> {
  await openDataDir(platform.dataDir);
  await adminKey(platform.dataDir, platform.auth.adminKey);
  return [ok(`${platform.dataDir} is writable.`)];
}

async function certificate({ platform }: Read, now: Date): Promise<Finding[]> {
  const { certFile, keyFile } = platform.http;
  if (certFile !== undefined && keyFile !== undefined) {
    await readCertificate(certFile, keyFile, now);
    return [ok(`${certFile} and its key belong together and are valid.`)];
  }
  await keptCertificate(platform.dataDir, ownNames(platform.externalAddress), now);
  return [
    note(
      'self-signed; browsers ask once whether to trust it. Set http.certFile and http.keyFile to avoid that.',
    ),
  ];
}

async function ports(composed: Composed, read: Read, gateways: readonly Gateway[]): Promise<Finding[]> {
  const all = configuredPorts(composed.shape, read.shown).filter(p =>
    opens(p.key.split('.')[0] ?? '', read.platform, gateways),
  );
  const findings = portClashes(all).map(error);
  for (const port of all) {
    const refusal = await tryPort(port);
    if (refusal !== undefined) findings.push(error(refusal.message));
  }
  const names = [...new Set(all.map(p => `${p.port}/${p.protocol}`))];
  if (findings.length > 0) return findings;
  return [
    ok(
      names.length > 0
        ? `${names.join(', ')} can be opened.`
        : 'none has a fixed number here, so none can be taken.',
    ),
  ];
}

/** Whether a process of these roles opens the ports of a section at all. */
function opens(section: string, { roles, bus }: Read['platform'], gateways: readonly Gateway[]): boolean {
  if (section === 'http') return needsWeb(roles);
  if (section === 'artp') return bus.url !== undefined && runsPart(roles, 'room');
  if (section === 'router') return bus.url !== undefined && runsPart(roles, 'router');
  const gateway = gateways.find(g => g.name === section);
  if (gateway === undefined || runsGateway(roles, gateway, 'front')) return true;
  // Where signalling has a word of its own, it is what listens: media takes ports out of a range.
  const signals = ROLES.some(r => r === `${section}-call`);
  return !signals && runsGateway(roles, gateway, 'agent');
}

async function externalAddress({ platform }: Read): Promise<Finding[]> {
  const { externalAddress: address, http } = platform;
  if (address === undefined)
    return [
      note(
        `callers are told ${reachableHost(undefined, http.address)}. Behind NAT, set externalAddress to the public one.`,
      ),
    ];
  let ip = address;
  if (isIP(address) === 0)
    try {
      ip = (await lookup(address)).address;
    } catch (e) {
      return [
        error(
          `externalAddress ${address} does not resolve (${(e as NodeJS.ErrnoException).code}): correct it, or write the IP address.`,
        ),
      ];
    }
  if (ip === '0.0.0.0' || ip === '::')
    return [
      error(`externalAddress ${address} is no address to call: write the one others reach this host by.`),
    ];
  if (isLoopback(ip))
    return [note(`externalAddress ${address} is this host itself: nobody else can send media here.`)];
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)/.test(ip))
    return [note(`externalAddress ${address} is private: callers must be on the same network.`)];
  return [ok(`others reach this host at ${address}.`)];
}

async function bus({ platform }: Read, clock: Clock): Promise<Finding[]> {
  const { url } = platform.bus;
  if (url === undefined) return [ok('everything runs in one process; no bus is needed.')];
  const { hostname, port } = new URL(url.split(',')[0] as string); // one of a cluster is enough
  const fault = await reach(hostname.replace(/^\[|\]$/g, ''), Number(port || 4222));
  if (fault !== undefined)
    return [
      error(
        `bus.url ${hostname}:${port || 4222} cannot be reached (${fault}): start the NATS server or correct bus.url.`,
      ),
    ];
  // That something listens says little: whether it lets us in, and keeps what it is given.
  const joined = await openBus(platform.bus, 'roombridge-check', { clock, onBug: () => {}, count: () => {} });
  await joined.close();
  return [ok(`${hostname} answers, and keeps what it is given (JetStream).`)];
}

const reach = (host: string, port: number): Promise<string | undefined> =>
  new Promise(done => {
    const socket = connect({ host, port, timeout: 5000 });
    const end = (fault: string | undefined): void => {
      socket.destroy();
      done(fault);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end('no answer for 5 s'));
    socket.once('error', (e: NodeJS.ErrnoException) => end(e.code ?? e.message));
  });

function access({ platform }: Read): Finding[] {
  const { apps } = platform.auth;
  return apps.length > 0
    ? [ok(`every room needs a token of ${apps.map(a => a.key).join(', ')}.`)]
    : [note('rooms are open to everyone who reaches this host. Add an app to auth.apps to require tokens.')];
}

async function codecs(libraries: readonly Library[]): Promise<Finding[]> {
  return Promise.all(
    libraries.map(({ name, load, needed, without }) =>
      load().then(
        () => ok(`${name} loads.`),
        (e: unknown) => {
          const why = (e instanceof Error ? e.message : String(e)).split('\n')[0];
          const text = `${name} does not load (${why}): ${without}. \`npm ci\` installs it.`;
          return needed ? error(text) : note(text);
        },
      ),
    ),
  );
}

/** Tokens and certificates go by the wall clock; one from before this program was written is wrong. */
function time(now: number): Finding[] {
  const date = new Date(now).toISOString();
  return now < Date.UTC(2026, 0, 1)
    ? [error(`it is not ${date}: set the clock (NTP), or tokens and certificates are taken for invalid.`)]
    : [ok(`${date}.`)];
}
