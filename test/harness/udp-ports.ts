import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The UDP ports a process of this machine has open, IPv4 and IPv6. */
export function udpPortsOf(pid: number): number[] {
  const inodes = new Set(readdirSync(`/proc/${pid}/fd`).map(fd => inodeOf(`/proc/${pid}/fd/${fd}`)));
  return ['udp', 'udp6'].flatMap(table =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .flatMap(line => {
        // sl, local address:port in hexadecimal, …; the inode is the tenth.
        const fields = line.trim().split(/\s+/);
        const port = Number.parseInt((fields[1] ?? '').split(':')[1] ?? '', 16);
        return inodes.has(fields[9]) ? [port] : [];
      }),
  );
}

/** Undefined: no socket, or closed a moment ago. */
function inodeOf(fd: string): string | undefined {
  try {
    return readlinkSync(fd).match(/^socket:\[(\d+)\]$/)?.[1];
  } catch {
    return undefined;
  }
}
