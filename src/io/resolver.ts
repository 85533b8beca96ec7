import { promises as dns } from 'node:dns';

/** A DNS record of any of the four kinds; what belongs to its kind is set. */
interface Resolved {
  readonly address?: string;
  readonly name?: string;
  readonly port?: number;
  readonly priority?: number;
  readonly weight?: number;
  readonly order?: number;
  readonly preference?: number;
  readonly service?: string;
  readonly flags?: string;
}

export interface DnsAnswer {
  /** Empty: there are none, or nobody could be asked. */
  readonly records: readonly Resolved[];
  readonly ttlS: number;
}

/** What finds addresses; tests put their own in its place. */
export interface Resolver {
  resolve(kind: 'naptr' | 'srv' | 'a' | 'aaaa', name: string): Promise<DnsAnswer>;
}

/** Node.js does not tell the TTL of SRV and NAPTR, nor that of what comes from the hosts file. */
const UNTOLD_TTL_S = 60;
const NONE: DnsAnswer = { records: [], ttlS: 0 };

/** The resolver of this host, without limits of its own on how many ask. Never rejects. */
export function systemResolver(): Resolver {
  const resolver = new dns.Resolver({ timeout: 1500, tries: 2 });
  return {
    async resolve(kind, name) {
      try {
        switch (kind) {
          case 'srv':
            return { records: await resolver.resolveSrv(name), ttlS: UNTOLD_TTL_S };
          case 'naptr': {
            const records = await resolver.resolveNaptr(name);
            return { records: records.map(r => ({ ...r, name: r.replacement })), ttlS: UNTOLD_TTL_S };
          }
          case 'a':
            return await addresses(4, name, await resolver.resolve4(name, { ttl: true }).catch(() => []));
          case 'aaaa':
            return await addresses(6, name, await resolver.resolve6(name, { ttl: true }).catch(() => []));
        }
      } catch {
        return NONE; // no such name, or no server: there is nothing to go to either way
      }
    },
  };
}

/** What DNS does not know, the hosts file may. */
async function addresses(
  family: 4 | 6,
  name: string,
  found: readonly { readonly address: string; readonly ttl: number }[],
): Promise<DnsAnswer> {
  if (found.length > 0) return { records: found, ttlS: Math.min(...found.map(r => r.ttl)) };
  const local = await dns.lookup(name, { family, all: true });
  return { records: local, ttlS: UNTOLD_TTL_S };
}
