import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { TcpHop } from './link.ts';
import { natsServer } from './nats-server.ts';
import { freePort } from './ports.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));

/** Everything in one process, or front, agent and room each in its own, joined by NATS and aRTP. */
export type Arrangement = 'one process' | 'three processes';
export const ARRANGEMENTS: readonly Arrangement[] = ['one process', 'three processes'];

export interface Ports {
  readonly sip: number;
  readonly rtmp: number;
  readonly https: number;
  readonly http: number;
  readonly webrtc: number;
  /** UDP; TLS is the next one. Open in several processes only. */
  readonly artp: number;
  /** NATS; open in several processes only. */
  readonly bus: number;
}

/** A Roombridge under test: the program as users start it, on free ports of loopback. */
export class Server {
  readonly ports: Ports;
  readonly processes: ReadonlyMap<string, Child>;
  readonly adminKey: string;
  #nats: Child | undefined;
  readonly #dir: string;
  readonly #run: (name: string, config?: string) => Child;
  readonly #anotherConfig: () => Promise<string>;
  readonly #ended: Child[] = [];
  readonly #hops: ReadonlyMap<string, TcpHop>;

  private constructor(
    ports: Ports,
    processes: Map<string, Child>,
    adminKey: string,
    nats: Child | undefined,
    run: (name: string, config?: string) => Child,
    anotherConfig: () => Promise<string>,
    dir: string,
    hops: ReadonlyMap<string, TcpHop>,
  ) {
    this.#hops = hops;
    this.#dir = dir;
    this.ports = ports;
    this.processes = processes;
    this.adminKey = adminKey;
    this.#nats = nats;
    this.#run = run;
    this.#anotherConfig = anotherConfig;
  }

  /**
   * `extra`: more YAML for the config. With a `sip:` of its own, which says `SIP_PORT` where that goes. `roles`: of the
   * processes, where they are several; `manager 2` is a second manager. `beyond`: those whose way to NATS can be held.
   */
  static async start(
    dir: string,
    arrangement: Arrangement,
    extra = '',
    nodeArgs: readonly string[] = [],
    roles: readonly string[] = ['room', 'agent', 'front'],
    beyond?: RegExp,
  ): Promise<Server> {
    mkdirSync(dir, { recursive: true });
    const [sip, rtmp, https, http, webrtc, artp, bus] = await Promise.all(
      Array.from({ length: 7 }, freePort),
    );
    const ports = { sip, rtmp, https, http, webrtc, artp, bus } as Ports;
    const config = join(dir, 'roombridge.yaml');
    writeFileSync(config, configText(dir, ports, extra));
    const processes = new Map<string, Child>();
    let nats: Child | undefined;
    const hops = new Map<string, TcpHop>();
    /** Of processes with ports of their own, so that a successor has them, too. */
    const configs = new Map<string, string>();
    const run = (name: string, file = configs.get(name) ?? config): Child => {
      configs.set(name, file);
      const roles = name.replace(/ \d+$/, '');
      const port = hops.get(name)?.port ?? bus;
      const args = roles === 'all' ? [] : ['--roles', roles, '--bus', `nats://127.0.0.1:${port}`];
      const child = new Child(`roombridge ${name}`, process.execPath, [
        ...nodeArgs,
        PROGRAM,
        'up',
        '--config',
        file,
        ...args,
      ]);
      processes.set(name, child);
      return child;
    };
    const anotherConfig = async (): Promise<string> => {
      const [rtmp, webrtc, artp] = (await Promise.all([freePort(), freePort(), freePort()])) as [
        number,
        number,
        number,
      ];
      const file = join(dir, `roombridge-${rtmp}.yaml`);
      writeFileSync(file, configText(dir, { ...ports, rtmp, webrtc, artp }, extra));
      return file;
    };
    try {
      if (arrangement === 'one process') await run('all').until(/Roombridge is ready/, 30_000);
      else {
        nats = natsServer(bus as number, ['-js', '-sd', join(dir, 'nats')]);
        await nats.until(/Server is ready/);
        for (const name of roles.filter(r => beyond?.test(r)))
          hops.set(name, await new TcpHop(bus as number).listen());
        for (const name of roles) if (/^(agent|room) \d/.test(name)) configs.set(name, await anotherConfig());
        const children = roles.map(name => run(name));
        await Promise.all(children.map(child => child.until(/Roombridge is ready/, 30_000)));
      }
      const adminKey = readFileSync(join(dir, 'data', 'admin.key'), 'utf8').trim();
      const server = new Server(ports, processes, adminKey, nats, run, anotherConfig, dir, hops);
      await server.#allKnown(arrangement, roles);
      return server;
    } catch (error) {
      for (const child of [...processes.values(), ...(nats ? [nats] : [])]) await child.stop('SIGKILL');
      for (const hop of hops.values()) await hop.close();
      throw error;
    }
  }

  get sip(): string {
    return `127.0.0.1:${this.ports.sip}`;
  }
  get rtmp(): string {
    return `rtmp://127.0.0.1:${this.ports.rtmp}`;
  }
  get web(): string {
    return `http://localhost:${this.ports.http}`;
  }

  /** One call of the HTTP API; undefined for 204 and 404. */
  async api<T = unknown>(method: string, path: string, body?: unknown): Promise<T | undefined> {
    const response = await fetch(`${this.web}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.adminKey}`,
        connection: 'close', // tests count what the server holds
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (response.status === 404 || response.status === 204) return undefined;
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async participants(room: string): Promise<string[]> {
    const members = await this.api<{ participant: string }[]>('GET', `/rooms/${room}/participants`);
    return (members ?? []).map(m => m.participant).sort();
  }

  /** Waits for a fact told by the API. */
  async until<T>(
    what: string,
    ask: () => Promise<T>,
    holds: (answer: T) => boolean,
    timeoutMs = 15_000,
  ): Promise<T> {
    const giveUp = Date.now() + timeoutMs;
    for (;;) {
      const answer = await ask();
      if (holds(answer)) return answer;
      if (Date.now() > giveUp)
        throw new Error(
          `${what} did not come true in ${timeoutMs} ms; last: ${JSON.stringify(answer)}\n${this.log()}`,
        );
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  log(): string {
    return [...this.processes].map(([name, child]) => `--- ${name}\n${child.output.slice(-4000)}`).join('\n');
  }
  /** Lines that say a bug was caught; a good run has none. */
  bugs(): string[] {
    return [...this.processes.values(), ...this.#ended].flatMap(c =>
      c.output.split('\n').filter(line => line.includes('"level":"error"')),
    );
  }

  /** Ends one process without a word, as a crash or the kernel would. */
  async kill(name: string): Promise<void> {
    const child = this.processes.get(name) as Child;
    await child.stop('SIGKILL');
    this.#ended.push(child);
  }
  /** A successor of a process that was killed; resolves when it says that it is ready. */
  async again(name: string): Promise<void> {
    await this.#run(name).until(/Roombridge is ready/, 30_000);
  }

  /** NATS dies without a word. */
  async killNats(): Promise<void> {
    await this.#nats?.stop('SIGKILL');
  }
  /** NATS is started again, and knows nothing of before. */
  emptyNats(): Promise<void> {
    return this.#startNats(`nats-${Date.now()}`);
  }
  /** NATS is started again with what it kept. */
  sameNats(): Promise<void> {
    return this.#startNats('nats');
  }
  async #startNats(kept: string): Promise<void> {
    this.#nats = natsServer(this.ports.bus, ['-js', '-sd', join(this.#dir, kept)]);
    await this.#nats.until(/Server is ready/);
  }

  /** These processes and NATS cannot reach each other until `join`; what they say meanwhile comes late. */
  part(names: RegExp): void {
    for (const [name, hop] of this.#hops) if (names.test(name)) hop.hold();
  }
  join(): void {
    for (const hop of this.#hops.values()) hop.release();
  }

  /** One more beside the first, with ports of its own: `agent 2`, say. */
  async another(name: `${'agent' | 'room'} ${number}`): Promise<void> {
    await this.#run(name, await this.#anotherConfig()).until(/Roombridge is ready/, 30_000);
  }

  /** Exit codes by process, all told to stop politely at once. */
  async stop(): Promise<(number | null)[]> {
    const codes = await Promise.all([...this.processes.values()].map(child => child.stop('SIGTERM', 8000)));
    await this.#nats?.stop();
    for (const hop of this.#hops.values()) await hop.close();
    return codes;
  }

  /** In several processes the front must have heard of the others before calls are placed. */
  async #allKnown(arrangement: Arrangement, roles: readonly string[]): Promise<void> {
    const known = roles.reduce(
      (n, r) => n + (r.startsWith('agent') ? 4 : r.startsWith('sip-agent') ? 1 : 0),
      0,
    );
    const gateways = arrangement === 'one process' ? 1 : known;
    await this.until(
      'agents',
      () => this.api<{ gateway: string }[]>('GET', '/agents'),
      a => (a?.length ?? 0) >= gateways,
    );
    if (arrangement === 'three processes')
      await this.until(
        'rooms',
        () => this.api('GET', '/rooms'),
        r => Array.isArray(r),
      );
  }
}

const configText = (dir: string, p: Ports, extra: string): string => `
dataDir: ${join(dir, 'data')}
http: { address: 127.0.0.1, httpsPort: ${p.https}, httpPort: ${p.http} }
${/^sip:/m.test(extra) ? '' : `sip: { address: 127.0.0.1, port: ${p.sip} }`}
rtmp: { address: 127.0.0.1, port: ${p.rtmp} }
webrtc: { address: 127.0.0.1, port: ${p.webrtc} }
artp: { address: 127.0.0.1, port: ${p.artp}, tlsPort: ${p.artp + 1} }
${/^native:/m.test(extra) ? '' : 'native: { address: 127.0.0.1, port: 0, tlsPort: 0 }'}
${/^log:/m.test(extra) ? '' : 'log: { level: info, pretty: false }'}
${extra.replaceAll('SIP_PORT', String(p.sip))}
`;
