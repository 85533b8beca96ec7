#!/usr/bin/env node
// The program is TypeScript; tsx reads it, so there is no build step. Plain old JavaScript here, to be able to say:
var version = process.versions.node.split('.').map(Number);
if (version[0] < 20 || (version[0] === 20 && version[1] < 9)) {
  console.error(
    `Roombridge needs Node.js 20.9 or newer, and this is ${process.version}: install a newer one (https://nodejs.org).`,
  );
  process.exit(1);
}

import('tsx/esm/api').then(
  ({ register }) => {
    register();
    return import('../src/main.ts')
      .then(program => program.main(process.argv.slice(2)))
      .then(status => process.exit(status));
  },
  error => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    console.error('Roombridge is not installed completely: run `npm ci` in its folder.');
    process.exit(1);
  },
);
