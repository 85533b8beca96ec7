import { defineConfig } from 'vitest/config';

/** What starts the whole program and real peers: one file at a time, after everything else, so that nothing starves. */
const WHOLE_PROGRAM = ['test/interop/**/*.test.ts', 'test/flow/**/*.test.ts'];

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
        test: {
          name: 'program',
          include: WHOLE_PROGRAM,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
