import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from '../ops/http/server.ts';

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/** The room page, built from `web/` when the process starts: tens of milliseconds, and no build step to forget. */
export async function roomPage(): Promise<Page[]> {
  const [html, built] = await Promise.all([
    readFile(`${WEB}room.html`, 'utf8'),
    build({
      entryPoints: [`${WEB}room.ts`, `${WEB}room.css`],
      outdir: WEB, // for the names alone: nothing is written
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
    ...built.outputFiles.map(({ path, contents }) => {
      const name = path.split(/[\\/]/).at(-1) as string;
      return {
        path: `/assets/${name}`,
        type: TYPES[name.split('.').at(-1) as string] as string,
        body: contents,
      };
    }),
  ];
}
