/** The layers of docs/architecture.md, as rules. Tests and their helpers (`*.testing.ts`, `testing/`) may reach anything. */
const tests = '\\.(test|testing)\\.ts$|/testing/';
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: tests },
  to: { pathNot: allowed },
});
const crypto = '^(node:)?crypto$';
/** Any module of Node.js itself. */
const builtin = '^(node:)?[a-z_]+(/promises)?$';

module.exports = {
  forbidden: [
    only('kit-is-the-floor', '^src/kit/', ['^src/kit/'], 'kit imports nothing'),
    only(
      'contract-is-types',
      '^src/contract(\\.ts$|/)',
      ['^src/kit/', '^src/contract/', '^node_modules/zod/', '^(node:)?(http|stream)$'],
      'the seam depends on nothing above the floor',
    ),
    only(
      'cores-are-sans-io',
      '^(src/(media|proto)|codecs)/',
      [
        '^src/(kit|media|proto)/',
        '^src/contract(\\.ts$|/)',
        '^codecs/',
        '^node_modules/',
        crypto,
        '^(node:)?(zlib|worker_threads|os)$',
      ],
      'protocol cores, algorithms and codecs own no socket, timer or clock',
    ),
    only(
      'media-knows-no-protocol',
      '^src/media/',
      ['^src/(kit|media)/', '^src/contract(\\.ts$|/)'],
      'algorithms stand below protocols and codecs',
    ),
    only(
      'domain-is-pure',
      '^src/(room|agents)/',
      ['^src/(kit|media|room|agents)/', '^src/contract(\\.ts$|/)', crypto],
      'rooms and agents know no gateway and no I/O',
    ),
    only(
      'routing-is-pure',
      '^src/routing/',
      [
        '^src/(kit|routing)/',
        '^src/contract(\\.ts$|/)',
        '^src/proto/artp/(trailer\\.ts$|policy/|rate/|relay/)',
        crypto,
      ],
      'routers know what relays may see, and no socket, timer or clock',
    ),
    only(
      'egress-below-node',
      '^src/egress/',
      ['^src/(kit|media|egress|proto/rtp)/', '^src/contract(\\.ts$|/)', '^codecs/'],
      'egress serves legs and knows neither rooms nor sockets',
    ),
    only(
      'bus-carries-json',
      '^src/bus/',
      ['^src/(kit|bus)/', '^src/contract(\\.ts$|/)', '^node_modules/', '^node:'],
      'the bus knows no domain',
    ),
    only(
      'io-is-thin',
      '^src/io/',
      ['^src/(kit|io)/', '^src/contract(\\.ts$|/)', '^node:', builtin],
      'io knows no protocol',
    ),
    only(
      'gateways-see-the-seam',
      '^gateways/',
      [
        '^gateways/',
        '^src/(kit|media|io|proto)/',
        '^src/contract(\\.ts$|/)',
        '^codecs/',
        '^node_modules/',
        '^node:',
        '^(crypto|dgram|dns|events|http|https|net|os|path|stream|tls|url)(/promises)?$',
      ],
      'never room, agents, egress, ops, node; timers come from the clock',
    ),
    only(
      'links-carry-rooms',
      '^src/link/',
      [
        '^src/(kit|media|io|room|link|proto/(artp|rtp))/',
        '^src/contract(\\.ts$|/)',
        '^node_modules/zod/',
        builtin,
      ],
      'a link knows rooms and the transport, no gateway and no bus',
    ),
    only(
      'config-stands-alone',
      '^src/config',
      ['^src/(config|kit)/', '^src/(config\\.ts$|contract(\\.ts$|/))', '^node_modules/(yaml|zod)/', builtin],
      'config is read before anything runs',
    ),
    only(
      'ops-knows-no-rooms',
      '^src/ops/',
      ['^src/(kit|io|ops|proto/x509)/', '^src/contract(\\.ts$|/)', '^node_modules/', builtin],
      'ops sees the platform only through its ApiBackend',
    ),
    only(
      'node-knows-no-gateway',
      '^src/node/',
      [
        '^src/(kit|media|io|bus|room|agents|egress|link|ops|config|node|routing|proto/(x509|artp/relay))/',
        '^src/(config\\.ts$|contract(\\.ts$|/))',
        '^codecs/',
        '^node_modules/esbuild/',
        builtin,
      ],
      'a process is put together of the platform; gateways come as values',
    ),
    only(
      'cli-starts-and-tells',
      '^src/cli/',
      [
        '^src/(kit|io|ops|config|node|cli)/',
        '^src/(config\\.ts$|contract(\\.ts$|/))',
        '^codecs/',
        '^node_modules/',
        builtin,
      ],
      'commands know no gateway: main.ts hands them over',
    ),
    {
      name: 'threads-are-for-pictures',
      comment: 'only video codecs are slow enough to need a thread',
      severity: 'error',
      from: { path: '^(src|gateways|codecs)/', pathNot: ['^codecs/video/', tests] },
      to: { path: '^(node:)?worker_threads$' },
    },
    {
      name: 'only-main-knows-gateways',
      comment: 'a new gateway is a folder and a line in main.ts',
      severity: 'error',
      from: { path: '^(src|codecs)/', pathNot: ['^src/main\\.ts$', tests] },
      to: { path: '^gateways/' },
    },
    {
      name: 'tests-stay-tests',
      comment: 'what runs imports no test and no test helper',
      severity: 'error',
      from: { path: '^(src|gateways|codecs)/', pathNot: tests },
      to: { path: ['^test/', tests] },
    },
    {
      name: 'gateways-are-strangers',
      comment: 'no gateway imports another',
      severity: 'error',
      from: { path: '^gateways/([^/]+)/' },
      to: { path: '^gateways/', pathNot: '^gateways/$1/' },
    },
    {
      name: 'no-timers-in-cores',
      comment: 'time is an argument',
      severity: 'error',
      from: { path: '^(src/(kit|media|proto|room|agents|routing|egress)|codecs)/', pathNot: tests },
      to: { path: '^(node:)?(timers|net|dgram|tls|http|https|perf_hooks|fs)' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
