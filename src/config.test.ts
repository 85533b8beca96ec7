import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { paths } from './config/shape.ts';
import { ConfigError, composeConfig, exampleYaml, type Loaded, loadConfig } from './config.ts';
import type { Gateway } from './contract.ts';

const phone: Gateway = {
  contract: 1,
  name: 'phone',
  home: 'agent',
  config: z.strictObject({
    port: z
      .int()
      .min(0)
      .max(65_535)
      .prefault(5060)
      .describe('Where it listens.')
      .meta({ listens: 'udp+tcp' }),
    realm: z.string().prefault('roombridge').describe('Digest realm.'),
    password: z.string().optional().describe('Of the trunk.').meta({ secret: true }),
    keepAlive: z
      .union([z.boolean(), z.literal('auto')])
      .prefault('auto')
      .describe('CRLF on streams.'),
  }),
};
const composed = composeConfig([phone]);
const secret = 'x'.repeat(32);

const load = (text: string, env: Record<string, string> = {}, dir = '/etc'): Loaded =>
  loadConfig(composed, { file: { path: join(dir, 'rb.yaml'), text }, env: { HOME: '/home/u', ...env } });

function problems(text: string, env: Record<string, string> = {}, dir?: string): readonly string[] {
  try {
    load(text, env, dir);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('an empty file is the default config', () => {
  const { platform, gateways } = load('');
  expect(platform).toMatchObject({
    dataDir: '/home/u/.local/share/roombridge',
    roles: ['front', 'agent', 'room', 'router'],
    drainMs: 4000,
    log: { level: 'info' },
    http: { httpsPort: 8443, httpPort: 8080 },
    auth: { apps: [] },
    rooms: { sessionKeep: 120_000, banTime: 300_000, maxRooms: 1000 },
    artp: { port: 7110, tlsPort: 7111 },
  });
  expect(gateways).toEqual({ phone: { port: 5060, realm: 'roombridge', keepAlive: 'auto' } });
});

test('XDG_DATA_HOME names the data directory, unless it is relative', () => {
  expect(load('', { XDG_DATA_HOME: '/var/xdg' }).platform.dataDir).toBe('/var/xdg/roombridge');
  expect(load('', { XDG_DATA_HOME: 'xdg' }).platform.dataDir).toBe('/home/u/.local/share/roombridge');
});

test.each([
  ['phone:\n  prot: 5060', 'Unknown key `phone.prot` (rb.yaml, line 2): did you mean `phone.port`?'],
  ['log:\n  level: info\nphnoe: {}', 'Unknown key `phnoe` (rb.yaml, line 3): did you mean `phone`?'],
  ['maxRooms: 3', 'Unknown key `maxRooms` (rb.yaml, line 1): did you mean `rooms.maxRooms`?'],
  [
    'phone: {zzzzzzzz: 1}',
    'Unknown key `phone.zzzzzzzz` (rb.yaml, line 1): the keys here are port, realm, password, passwordFile, keepAlive.',
  ],
  ['phone:\n  port: abc', '`phone.port` must be a number, not "abc" (rb.yaml, line 2).'],
  ['phone:\n  port: 5060.5', '`phone.port` must be a whole number, not 5060.5 (rb.yaml, line 2).'],
  ['phone: {port: 70000}', '`phone.port` must be at most 65535, not 70000 (rb.yaml, line 1).'],
  ['phone: {realm: 5}', '`phone.realm` must be text, not 5 (rb.yaml, line 1).'],
  ['phone: {password: 5}', '`phone.password` must be text, not (hidden) (rb.yaml, line 1).'],
  ['phone: {keepAlive: 5}', '`phone.keepAlive` must be true or false or "auto", not 5 (rb.yaml, line 1).'],
  ['phone: 5060', '`phone` must be a section with keys of its own, not 5060 (rb.yaml, line 1).'],
  [
    'roles: [front, agnet]',
    '`roles[1]` names agnet, which is no role: did you mean `agent`? (rb.yaml, line 1).',
  ],
  [
    'roles: [front]',
    '`roles` leaves work to other processes (sip-agent, rtmp, native, room), and bus.url is not set: set it to the NATS server they share (rb.yaml, line 1).',
  ],
  [
    'rooms: {sessionKeep: 120}',
    '`rooms.sessionKeep` must be a duration such as 20ms, 120s or 5m, not 120 (rb.yaml, line 1).',
  ],
  [
    'rooms: {sessionKeep: 2 minutes}',
    '`rooms.sessionKeep` must be a duration such as 20ms, 120s or 5m, not "2 minutes" (rb.yaml, line 1).',
  ],
  ['rooms: {sessionKeep: 2h}', '`rooms.sessionKeep` must be between 0ms and 1h, not "2h" (rb.yaml, line 1).'],
  [
    'externalAddress: "host:5060"',
    '`externalAddress` must be an IP address or a host name, without a port, not "host:5060" (rb.yaml, line 1).',
  ],
  [
    'http:\n  certFile: a.pem',
    '`http.keyFile` is missing: http.certFile is set, and a certificate needs both (rb.yaml, line 1).',
  ],
  [
    'auth:\n  apps:\n    - key: a\n      secrets: [short]',
    '`auth.apps[0].secrets[0]` must have at least 32 bytes (RFC 7518 section 3.2), not (hidden) (rb.yaml, line 4).',
  ],
  ['auth:\n  apps:\n    - key: a', '`auth.apps[0].secrets` is missing (rb.yaml, line 3).'],
  [
    `auth: {apps: [{key: a, secrets: [${secret}]}, {key: a, secrets: [${secret}]}]}`,
    '`auth.apps[1].key` repeats the app a: give it one entry, not "a" (rb.yaml, line 1).',
  ],
  [
    'log: {level: info',
    'rb.yaml is not YAML, line 1: Flow map in block collection must be sufficiently indented and end with a }.',
  ],
  ['- a', 'rb.yaml must hold keys and values, such as `log: {level: info}`.'],
])('%j is refused in words', (text, sentence) => expect(problems(text)).toEqual([sentence]));

test('every problem is told at once', () => {
  expect(problems('phone: {port: x, relm: y}\nlog: {level: loud}', { ROOMBRIDGE_PHONE__PRT: '1' })).toEqual([
    'The environment variable ROOMBRIDGE_PHONE__PRT matches no config key: did you mean ROOMBRIDGE_PHONE__PORT?',
    '`log.level` must be one of debug, info, warn, error, not "loud" (rb.yaml, line 2).',
    '`phone.port` must be a number, not "x" (rb.yaml, line 1).',
    'Unknown key `phone.relm` (rb.yaml, line 1): did you mean `phone.realm`?',
  ]);
});

test('the environment is stronger than the file, options are stronger than both', () => {
  const loaded = loadConfig(composed, {
    file: { path: '/etc/rb.yaml', text: 'phone: {port: 1, realm: a}\nlog: {level: warn}' },
    env: {
      HOME: '/h',
      ROOMBRIDGE_PHONE__PORT: '2',
      ROOMBRIDGE_EXTERNAL_ADDRESS: '192.0.2.1',
      ROOMBRIDGE_LOG__LEVEL: '',
    },
    options: [{ path: ['phone', 'port'], value: 3, from: '--port' }],
  });
  expect(loaded.gateways.phone).toMatchObject({ port: 3, realm: 'a' });
  expect(loaded.platform).toMatchObject({ externalAddress: '192.0.2.1', log: { level: 'warn' } });
});

test('lists and list entries come from the environment', () => {
  const env = {
    ROOMBRIDGE_ROLES: 'front, agent,room',
    ROOMBRIDGE_AUTH__APPS__0__KEY: '007',
    ROOMBRIDGE_AUTH__APPS__0__SECRETS: `${secret},${secret}y`,
    ROOMBRIDGE_auth__AdminKey: '12345678901234567890',
  };
  const { platform } = load('', env);
  expect(platform.roles).toEqual(['front', 'agent', 'room']);
  expect(platform.auth).toEqual({
    apps: [{ key: '007', secrets: [secret, `${secret}y`] }],
    adminKey: '12345678901234567890',
  });
});

test('a variable of a Kubernetes service link is not a config key', () => {
  expect(
    problems('', {
      ROOMBRIDGE_PORT: 'tcp://10.0.0.1:5060',
      ROOMBRIDGE_SERVICE_HOST: '10.0.0.1',
      ROOMBRIDGE_PORT_5060_TCP_ADDR: '10.0.0.1',
      ROOMBRIDGE_CONFIG: 'x.yaml',
    }),
  ).toEqual([]);
});

test('a bad value from the environment names its variable', () => {
  expect(problems('', { ROOMBRIDGE_PHONE__PORT: 'abc' })).toEqual([
    '`phone.port` must be a number, not "abc" (ROOMBRIDGE_PHONE__PORT).',
  ]);
  expect(problems('', { ROOMBRIDGE_PHONE__PORT: '[' })).toEqual([
    'The environment variable ROOMBRIDGE_PHONE__PORT cannot be read as YAML: quote it, or write it on one line as [a, b].',
  ]);
});

test('secrets come from files beside the config', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rb-config-'));
  writeFileSync(join(dir, 'pw'), 'hush\n');
  writeFileSync(join(dir, 'secrets'), `${secret}\n\n${secret}z\n`);
  const text = 'phone: {passwordFile: pw}\nauth: {apps: [{key: a, secretsFile: secrets}]}';
  const { platform, gateways } = load(text, {}, dir);
  expect(gateways.phone).toMatchObject({ password: 'hush' });
  expect(platform.auth.apps).toEqual([{ key: 'a', secrets: [secret, `${secret}z`] }]);

  expect(problems('phone: {passwordFile: pw, password: x}', {}, dir)).toEqual([
    '`phone.password` and `phone.passwordFile` are both set: keep one of them.',
  ]);
  expect(problems('phone: {passwordFile: nowhere}', {}, dir)).toEqual([
    '`phone.passwordFile` names nowhere, which cannot be read (ENOENT): check the name and the permissions.',
  ]);
  expect(load('', { ROOMBRIDGE_PHONE__PASSWORD_FILE: join(dir, 'pw') }).gateways.phone).toMatchObject({
    password: 'hush',
  });
});

test('what is shown has every default and no secret', () => {
  const { shown } = load(`phone: {password: hush}\nauth: {apps: [{key: a, secrets: [${secret}]}]}`);
  expect(shown).toMatchObject({
    phone: { port: 5060, realm: 'roombridge', password: '(hidden)' },
    auth: { apps: [{ key: 'a', secrets: '(hidden)' }] },
    rooms: { sessionKeep: '120s' },
  });
  expect(JSON.stringify(shown)).not.toContain('hush');
  expect(JSON.stringify(shown)).not.toContain(secret);
});

test('a section or key written without a value counts as absent', () => {
  expect(load('bus:\nexternalAddress:\nphone:\n  port:').gateways.phone).toMatchObject({ port: 5060 });
  expect(problems('nothing:')).toEqual([
    expect.stringContaining('Unknown key `nothing` (rb.yaml, line 1): the keys here are externalAddress,'),
  ]);
});

test('the example holds every key, is commented throughout and loads as the defaults', () => {
  const text = exampleYaml(composed.shape);
  for (const { path, shape } of paths(composed.shape)) {
    expect(shape.description, path.join('.')).toBeTruthy();
    expect(text).toContain(`${path.at(-1) === 0 ? path.at(-2) : path.at(-1)}:`);
  }
  expect(load(text)).toEqual(load(''));
  // What is commented out is right too: uncommented, it is taken.
  const all = text.replaceAll(/^( *)# (?=( {2,4}(- )?)?[a-zA-Z]+: |(apps|webhooks):$)/gm, '$1');
  const tree = parse(all) as Record<string, unknown>;
  delete (tree.http as Record<string, unknown>).certFile;
  delete (tree.http as Record<string, unknown>).keyFile;
  expect(problems(JSON.stringify(tree))).toEqual([]);
});

test('a gateway may not take the name of a platform key', () => {
  expect(() => composeConfig([{ ...phone, name: 'rooms' }])).toThrow(
    'The gateway name rooms is a key of the platform.',
  );
});
