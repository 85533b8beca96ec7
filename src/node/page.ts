import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from '../ops/http/server.ts';

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));

/** The room page, built from `web/` when the process starts: tens of milliseconds, and no build step to forget. */
export async function roomPage(): Promise<Page[]> {
  const [html, css, script] = await Promise.all([
    readFile(`${WEB}room.html`, 'utf8'),
    readFile(`${WEB}room.css`, 'utf8'),
    build({
      entryPoints: [`${WEB}room.ts`],
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      target: 'es2022',
      logLevel: 'silent',
    }),
  ]);
  return [
    { path: '/r/:room', type: 'text/html; charset=utf-8', body: html },
    { path: '/assets/room.css', type: 'text/css; charset=utf-8', body: css },
    {
      path: '/assets/room.js',
      type: 'text/javascript; charset=utf-8',
      body: script.outputFiles[0]?.contents ?? '',
    },
  ];
}
