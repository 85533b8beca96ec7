import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { natsMissing, natsServer, startNatsServer } from '../../test/harness/nats-server.ts';
import { freePort } from '../../test/harness/ports.ts';
import { composeConfig, exampleYaml } from '../config.ts';
import type { Clock, Gateway } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { digestPassword } from '../ops/tokens.ts';
import { checkCommand } from './check.ts';
import { type Command, runCli } from './command.ts';
import { configCommand } from './config.ts';
import { configuredPorts, portClashes } from './ports.ts';
import { progress } from './progress.ts';
import { tokenCommand } from './token.ts';

const phone: Gateway = {
  contract: 1,
  name: 'phone',
  home: 'agent',
  config: z.strictObject({
    port: z.int().prefault(0).describe('Port.'),
    password: z.string().optional().describe('Of the trunk.').meta({ secret: true }),
  }),
};
const composed = composeConfig([phone]);
const NOW = 1_800_000_000_000;

const dial: Command = {
  name: 'dial',
  summary: 'Calls.',
  operands: ['<target>'],
  options: { tone: { value: 'HZ', describe: 'What to play.' }, json: { describe: 'For programs.' } },
  async run(args, io) {
    if (args.operands[0] === 'bad') throw refuse('upstream', 'busy', 'They are busy: call later.');
    if (args.operands[0] === 'bug') throw new TypeError('bug');
    io.stdout.write(JSON.stringify([args.operands, args.text('tone') ?? null, args.flag('json')]));
    return 7;
  },
};

async function run(argv: string[], options: { env?: Record<string, string>; libraries?: never[] } = {}) {
  let [out, err] = ['', ''];
  const commands = [
    dial,
    configCommand(composed),
    tokenCommand(composed, () => NOW),
    checkCommand(composed, { libraries: [], now: () => NOW }),
  ];
  const status = await runCli(argv, commands, {
    stdout: { write: t => (out += t) },
    stderr: { write: t => (err += t) },
    env: { HOME: mkdtempSync(join(tmpdir(), 'rb-home-')), ...options.env },
  });
  return { status, out, err };
}

function configFile(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'rb-cli-')), 'rb.yaml');
  writeFileSync(file, text);
  return file;
}

test('operands and options reach the command, its status comes back', async () => {
  expect(await run(['dial', 'sip:1@h', '--tone', '440', '--json'])).toEqual({
    status: 7,
    out: '[["sip:1@h"],"440",true]',
    err: '',
  });
  expect((await run(['dial', '--tone=440', 'sip:1@h'])).out).toBe('[["sip:1@h"],"440",false]');
});

test.each([
  [['dail'], 'There is no command dail: did you mean dial?'],
  [['zzz'], 'There is no command zzz; there are dial, config, token, check.'],
  [['dial', 'x', '--tnoe', '1'], 'roombridge dial has no option --tnoe: did you mean --tone?'],
  [['dial', 'x', '--zzzzzz'], 'roombridge dial has no option --zzzzzz; see roombridge dial --help.'],
  [['dial', 'x', '-q'], 'roombridge dial has no option -q; see roombridge dial --help.'],
  [
    ['dial', 'x', '--constructor'],
    'roombridge dial has no option --constructor; see roombridge dial --help.',
  ],
  [['dial', 'x', '--tone'], '--tone needs a value: --tone HZ.'],
  [['dial', 'x', '--json=1'], '--json takes no value.'],
  [['dial'], 'roombridge dial needs <target>.'],
  [['dial', 'x', 'y'], 'roombridge dial does not know what to do with "y".'],
  [['dial', 'bad'], 'They are busy: call later.'],
  [['token', '--user', 'a'], 'roombridge token needs --room.'],
  [
    ['token', '--room', '1', '--user', 'a'],
    'Rooms are open and need no token: no app is configured. Add one to auth.apps to require tokens.',
  ],
  [
    ['token', '--room', '1', '--user', 'a', '--ttl', '60'],
    '--ttl 60 is no time of a second or more: write it as 90s, 30m, 2h or 1d.',
  ],
  [
    ['config', '--config', '/nowhere/rb.yaml'],
    'The config file /nowhere/rb.yaml cannot be read (ENOENT): check the name and the permissions.',
  ],
])('%j is refused in a sentence', async (argv, sentence) =>
  expect(await run(argv)).toEqual({ status: 1, out: '', err: `${sentence}\n` }),
);

test('any arguments end in a status', async () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('dial', 'config', 'token', '--', '-', '--=', '--room', '--help=x', '--no-json'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 6 }), async argv => {
      fc.pre(argv[0] !== 'check' && !argv.includes('bug'));
      expect([0, 1, 7]).toContain((await run(argv)).status);
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 200) },
  );
});

test('a bug is thrown, not dressed up', async () => {
  await expect(run(['dial', 'bug'])).rejects.toThrow(TypeError);
});

test('help is told of the program and of each command', async () => {
  expect((await run(['--help'])).out).toBe(
    `Usage: roombridge <command> [options]

  dial    Calls.
  config  Prints the config as it counts, secrets hidden, or an example with every key.
  token   Mints a token that lets one user into one room.
  check   Says what of config, ports, certificates, libraries and clock would keep Roombridge from working.

roombridge <command> --help tells its options.
`,
  );
  const help = `Usage: roombridge dial <target> [options]

Calls.

  --tone HZ  What to play.
  --json     For programs.
  --help     Shows this.
`;
  expect(await run(['dial', '--help'])).toEqual({ status: 0, out: help, err: '' });
  expect((await run(['dial', '-h'])).out).toBe(help);
  expect((await run(['help', 'dial'])).out).toBe(help);
  expect((await run([])).status).toBe(1);
});

test('config prints what counts without secrets, and the example', async () => {
  const file = configFile('phone: {password: hush}\nhttp: {httpPort: 81}');
  const { status, out } = await run(['config', '--config', file], { env: { ROOMBRIDGE_LOG__LEVEL: 'warn' } });
  expect(status).toBe(0);
  expect(out.split('\n')[0]).toBe(`# ${file}`);
  expect(parse(out)).toMatchObject({
    phone: { password: '(hidden)' },
    http: { httpPort: 81, httpsPort: 8443 },
    log: { level: 'warn' },
  });
  expect((await run(['config', '--example'])).out).toBe(exampleYaml(composed.shape));
  expect((await run(['config'], { env: { ROOMBRIDGE_CONFIG: file } })).out).toContain(file);
});

test('token mints for the only app, or the one named, and digest credentials', async () => {
  const [a, b] = ['a'.repeat(32), 'b'.repeat(32)];
  const one = configFile(`auth: {apps: [{key: shop, secrets: [${a}]}]}`);
  const ask = ['token', '--room', '1000', '--user', 'alice', '--config', one];
  const minted = await run(ask);
  expect(decodeJwt(minted.out.trim())).toEqual({
    app: 'shop',
    room: '1000',
    user: 'alice',
    can: ['publish', 'subscribe'],
    exp: NOW / 1000 + 3600,
  });
  const listen = await run([...ask, '--ttl', '90s', '--can', 'subscribe']);
  expect(decodeJwt(listen.out.trim())).toMatchObject({ can: ['subscribe'], exp: NOW / 1000 + 90 });
  const name = `${NOW / 1000 + 3600}:1000:alice`;
  expect((await run([...ask, '--digest'])).out).toBe(`${name}\n${digestPassword(a, name)}\n`);

  const two = configFile(`auth: {apps: [{key: shop, secrets: [${a}]}, {key: school, secrets: [${b}]}]}`);
  const base = ['token', '--room', '1', '--user', 'u', '--config', two];
  expect((await run(base)).err).toBe('There are several apps: say which with --app (shop, school).\n');
  expect((await run([...base, '--app', 'scool'])).err).toBe('There is no app scool: did you mean school?\n');
  expect(decodeJwt((await run([...base, '--app', 'school'])).out.trim())).toMatchObject({ app: 'school' });
});

const FREE = 'http: {httpsPort: 0, httpPort: 0}\nartp: {port: 0, tlsPort: 0}\n';

test('check finds nothing wrong where nothing is', async () => {
  const { status, out } = await run(['check', '--config', configFile(FREE)]);
  expect(out).not.toContain('error');
  expect(out).toMatch(/^ok {5}config: .*rb\.yaml, 1 gateways\.$/m);
  expect(out).toMatch(/^ok {5}data directory: .*\/roombridge is writable\.$/m);
  expect(out).toMatch(/^note {3}access: rooms are open/m);
  expect(out).toMatch(/\nRoombridge can start\.\n$/);
  expect(status).toBe(0);
});

test('check says in sentences what is wrong and what to do, all at once', async () => {
  const other = createServer();
  await new Promise<void>(done => other.listen(0, done));
  const { port } = other.address() as { port: number };
  const file = configFile('');
  const text = `http: {httpsPort: ${port}, httpPort: 0, certFile: /no/cert, keyFile: /no/key}
artp: {port: 0, tlsPort: 0}
dataDir: ${file}/below
externalAddress: 0.0.0.0
bus: {url: "nats://127.0.0.1:1"}`;
  const { status, out } = await run(['check', '--config', configFile(text)]);
  await new Promise(done => other.close(done));
  expect(status).toBe(1);
  for (const line of [
    `error  data directory: The data directory ${file}/below cannot be used (ENOTDIR): make it writable, or set dataDir to one that is.`,
    'error  certificate: /no/cert (http.certFile) cannot be read (ENOENT): check the name and the permissions.',
    `error  ports: Port ${port}/tcp (http.httpsPort) is in use by another program, or Roombridge runs already: end it, or set http.httpsPort to another port (0: any free one).`,
    'error  address: externalAddress 0.0.0.0 is no address to call: write the one others reach this host by.',
    'error  bus: bus.url 127.0.0.1:1 cannot be reached (ECONNREFUSED): start the NATS server or correct bus.url.',
  ])
    expect(out.split('\n')).toContain(line);
  expect(out).toMatch(/\n5 to put right before Roombridge works\.\n$/);
});

test.skipIf(natsMissing)(
  'check joins the bus: what listens must let us in and keep what it is given',
  async () => {
    const config = (port: number, more = ''): string =>
      configFile(`${FREE}\nbus: {url: "nats://127.0.0.1:${port}"${more}}`);
    const line = async (file: string): Promise<string | undefined> =>
      (await run(['check', '--config', file])).out.split('\n').find(l => l.includes(' bus: '));
    const forgetful = await freePort();
    const child = natsServer(forgetful, []);
    await child.until(/Server is ready/);
    expect(await line(config(forgetful))).toMatch(/^error {2}bus: .*start nats-server with `-js -sd FOLDER`/);
    await child.stop('SIGKILL');
    const nats = await startNatsServer(undefined, ['--user', 'me', '--pass', 'secret']);
    expect(await line(config(nats.port, ', credentials: "me:secret"'))).toBe(
      'ok     bus: 127.0.0.1 answers, and keeps what it is given (JetStream).',
    );
    expect(await line(config(nats.port))).toMatch(/^error {2}bus: No NATS server could be used/);
    await nats.kill();
  },
);

test('check goes on after a bad config', async () => {
  const { status, out } = await run(['check', '--config', configFile('phone: {prot: 1}\nrolse: [front]')]);
  expect(status).toBe(1);
  expect(out).toContain(
    'error  config: Unknown key `phone.prot` (rb.yaml, line 1): did you mean `phone.port`?',
  );
  expect(out).toContain('error  config: Unknown key `rolse` (rb.yaml, line 2): did you mean `roles`?');
  expect(out).toContain('ok     clock: ');
});

test('check tells a missing library by what is not possible without it, and a clock that is wrong', async () => {
  let out = '';
  const missing = () => Promise.reject(new Error('Cannot find it\nstack'));
  const libraries = [
    { name: 'must', load: missing, needed: true, without: 'nothing works' },
    { name: 'may', load: missing, needed: false, without: 'one thing does not work' },
    { name: 'there', load: async () => ({}), needed: true, without: '' },
  ];
  const command = checkCommand(composed, { libraries, now: () => 0 });
  const status = await runCli(['check', '--config', configFile(FREE)], [command], {
    stdout: { write: t => (out += t) },
    stderr: { write: () => {} },
    env: { HOME: mkdtempSync(join(tmpdir(), 'rb-home-')) },
  });
  expect(status).toBe(1);
  expect(out).toContain(
    'error  libraries: must does not load (Cannot find it): nothing works. `npm ci` installs it.\n',
  );
  expect(out).toContain('note   libraries: may does not load (Cannot find it): one thing does not work.');
  expect(out).toContain('ok     libraries: there loads.');
  expect(out).toContain('error  clock: it is not 1970-01-01T00:00:00.000Z: set the clock (NTP)');
});

test('ports are those marked, or named so; two keys on one port clash', () => {
  const all = configuredPorts(composed.shape, {
    http: { httpsPort: 1, httpPort: 1 },
    artp: { port: 1, tlsPort: 0 },
    phone: { port: 2 },
  });
  expect(all.map(p => `${p.key} ${p.port}/${p.protocol}`)).toEqual([
    'http.httpsPort 1/tcp',
    'http.httpPort 1/tcp',
    'artp.port 1/udp',
    'phone.port 2/udp',
    'phone.port 2/tcp',
  ]);
  expect(portClashes(all)).toEqual([
    'http.httpsPort and http.httpPort are both port 1/tcp: give one of them another port.',
  ]);
});

test('check looks at the ports of the roles alone, given as to `up`', async () => {
  const ports = async (...argv: string[]): Promise<string> =>
    (await run(['check', ...argv])).out.split('\n').find(l => l.includes(' ports: ')) ?? '';
  const bus = ['--bus', 'nats://127.0.0.1:1'];
  expect(await ports('--roles', 'manager', ...bus)).toMatch(/none has a fixed number/);
  const room = await ports('--roles', 'room', ...bus);
  expect(room).toMatch(/711[01]/);
  expect(room).not.toMatch(/8443|8080|7120/);
});

/** A clock that goes only when told. */
function handClock(): Clock & { go(ms: number): void; readonly armed: number } {
  let now = 0;
  const timers = new Set<{ at: number; run: () => void }>();
  return {
    now: () => now,
    at(at, run) {
      const timer = { at, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    go(ms) {
      now += ms;
      for (const t of [...timers])
        if (t.at <= now) {
          timers.delete(t);
          t.run();
        }
    },
    get armed() {
      return timers.size;
    },
  };
}

test('a progress line appears after two seconds, moves out of the way, and leaves nothing', () => {
  const clock = handClock();
  let out = '';
  const live = progress({ write: t => (out += t), isTTY: true, columns: 30 }, 'looking', clock);
  clock.go(1999);
  expect(out).toBe('');
  clock.go(1);
  expect(out).toBe('\r\u001b[K| looking (2 s)');
  live.print('found');
  expect(out).toBe('\r\u001b[K| looking (2 s)\r\u001b[Kfound\n');
  live.say('looking further than the line is wide');
  out = '';
  clock.go(1000);
  expect(out).toBe('\r\u001b[K/ looking further than the li');
  live.end();
  live.end();
  expect(out.endsWith('li\r\u001b[K')).toBe(true);
  expect(clock.armed).toBe(0);
});

test('without a terminal there is no progress line', () => {
  const clock = handClock();
  let out = '';
  const live = progress({ write: t => (out += t) }, 'looking', clock);
  expect(clock.armed).toBe(0);
  live.print('found');
  live.end();
  expect(out).toBe('found\n');
});
