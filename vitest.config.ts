import { defineConfig } from 'vitest/config';

/** What starts the whole program and real peers, after everything else, so that nothing starves. */
const WHOLE_PROGRAM = ['test/interop/**/*.test.ts', 'test/flow/**/*.test.ts'];
/** Of these, what mostly waits for signalling and needs little of the machine: two at a time. */
const LIGHT = [
  'test/flow/**/*.test.ts',
  'test/interop/{calls,crash,dial-out,ending,host,load,pbx,pin,refusals,sip-secure,sip-transports}.test.ts',
];

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{src,gateways,codecs,test}/**/*.test.ts'],
          exclude: WHOLE_PROGRAM,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'light', include: LIGHT, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: {
          name: 'program',
          include: WHOLE_PROGRAM,
          exclude: LIGHT,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
