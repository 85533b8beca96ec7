/** The layers of docs/architecture.md, as rules. Tests may reach anything. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: '\\.test\\.ts$' },
  to: { pathNot: allowed },
});
const crypto = '^(node:)?crypto$';

module.exports = {
  forbidden: [
    only('kit-is-the-floor', '^src/kit/', ['^src/kit/'], 'kit imports nothing'),
    only(
      'contract-is-types',
      '^src/contract\\.ts$',
      ['^src/kit/', '^node_modules/zod/', '^(node:)?(http|stream)$'],
      'the seam depends on nothing above the floor',
    ),
    only(
      'cores-are-sans-io',
      '^(src/(media|proto)|codecs)/',
      [
        '^src/(kit|media|proto)/',
        '^src/contract\\.ts$',
        '^codecs/',
        '^node_modules/',
        crypto,
        '^(node:)?zlib$',
      ],
      'protocol cores, algorithms and codecs own no socket, timer or clock',
    ),
    only(
      'media-knows-no-protocol',
      '^src/media/',
      ['^src/(kit|media)/', '^src/contract\\.ts$'],
      'algorithms stand below protocols and codecs',
    ),
    only(
      'domain-is-pure',
      '^src/(room|agents)/',
      ['^src/(kit|media|room|agents)/', '^src/contract\\.ts$', crypto],
      'rooms and agents know no gateway and no I/O',
    ),
    only(
      'egress-below-node',
      '^src/egress/',
      ['^src/(kit|media|egress|proto/rtp)/', '^src/contract\\.ts$', '^codecs/'],
      'egress serves legs and knows neither rooms nor sockets',
    ),
    only(
      'bus-carries-json',
      '^src/bus/',
      ['^src/(kit|bus)/', '^src/contract\\.ts$', '^node_modules/', '^node:'],
      'the bus knows no domain',
    ),
    only(
      'io-is-thin',
      '^src/io/',
      [
        '^src/(kit|io)/',
        '^src/contract\\.ts$',
        '^node:',
        '^(net|dgram|tls|dns|http|https|perf_hooks|fs|path|events|stream)$',
      ],
      'io knows no protocol',
    ),
    only(
      'gateways-see-the-seam',
      '^gateways/',
      [
        '^gateways/',
        '^src/(kit|media|io|proto)/',
        '^src/contract\\.ts$',
        '^codecs/',
        '^node_modules/',
        '^node:',
        '^(net|dgram|http|crypto|tls|fs|path|events|stream|url|perf_hooks|timers)',
      ],
      'never room, agents, egress, ops, node',
    ),
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
      from: { path: '^(src/(kit|media|proto|room|agents|egress)|codecs)/', pathNot: '\\.test\\.ts$' },
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
