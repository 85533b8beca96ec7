import type { Platform } from '../config.ts';
import type { RunningNode } from '../node/start.ts';

/** What a process says when it is ready: where it is reached, and who it is. `isTTY`: a person reads it. */
export function announcement(
  node: Omit<RunningNode, 'close'>,
  { bus, roles, region }: Pick<Platform, 'bus' | 'roles' | 'region'>,
  isTTY: boolean,
): string {
  const width = Math.max(0, ...node.addresses.map(a => a.url.length));
  const lines = node.addresses.map(a => `  ${a.url.padEnd(width)}  ${a.what}`);
  if (node.selfSigned)
    lines.push(
      '',
      'The certificate is self-signed and kept: browsers ask once, then remember (http.certFile for your own).',
    );
  if (node.admin !== undefined) {
    lines.push(`Admin key of the HTTP API: ${whereKeyIs(node.admin, isTTY)}`);
    if (node.roomsOpen)
      lines.push('Rooms are open to everyone who reaches this host; set auth.apps to require tokens.');
  }
  if (bus.url !== undefined)
    lines.push(
      `Process ${node.process} of region ${region}, for ${roles.join(', ')}; joined by ${withoutLogin(bus.url)}.`,
    );
  return [...lines, 'Roombridge is ready.', ''].join('\n');
}

/** Whoever sits in front of it is shown a key that was made for them; what is no terminal is a log, and keeps it. */
function whereKeyIs({ key, file }: NonNullable<RunningNode['admin']>, isTTY: boolean): string {
  if (file === undefined) return 'the one in the config (auth.adminKey).';
  return isTTY ? `${key}  (kept in ${file})` : `kept in ${file}`;
}

const withoutLogin = (url: string): string => url.replace(/\/\/[^@/,]*@/g, '//');
