import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/**
 * Keys and JWTs of a NATS server in operator mode, as `nsc` makes them, for tests. A key is base32 (RFC 4648, no padding) of
 * a byte that tells its kind, 32 bytes of Ed25519 and their CRC-16 (XMODEM, low byte first); a seed has a letter S before.
 */
export interface NatsKey {
  /** `O…`, `A…` or `U…`. */
  readonly public: string;
  /** `SO…`, `SA…` or `SU…`. */
  readonly seed: string;
  readonly key: KeyObject;
}

/** The five bits of each kind's letter. */
const KINDS = { operator: 14, account: 0, user: 20 };
const SEED = 18;

export function natsKey(kind: keyof typeof KINDS): NatsKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d, x } = privateKey.export({ format: 'jwk' }) as { d: string; x: string };
  const letter = KINDS[kind];
  const text = (head: readonly number[], bytes: string): string => {
    const body = Buffer.concat([Buffer.from(head), Buffer.from(bytes, 'base64url')]);
    const crc = crc16(body);
    return base32(Buffer.concat([body, Buffer.from([crc & 255, crc >> 8])]));
  };
  const seedHead = [(SEED << 3) | (letter >> 2), (letter & 3) << 6];
  return { public: text([letter << 3], x), seed: text(seedHead, d), key: privateKey };
}

/** What `by` says of `of`: a JWT whose signature covers its first two parts. */
function claim(by: NatsKey, of: string, name: string, nats: object, more: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' });
  const iat = Math.floor(Date.now() / 1000);
  const said = `${head}.${part({ jti: name, iat, iss: by.public, sub: of, name, ...more, nats: { ...nats, version: 2 } })}`;
  return `${said}.${sign(null, Buffer.from(said), by.key).toString('base64url')}`;
}

const NO_LIMITS = { subs: -1, data: -1, payload: -1 };
const OF_ACCOUNT = { imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const KEEPS = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

export interface Operator {
  /** For the server's config. */
  readonly config: string;
  /** The text of a `.creds` file of a new user. `expires`: Unix seconds. */
  creds(account?: 'keeps' | 'keeps nothing', expires?: number): string;
}

/** An operator with a system account, one that may keep (JetStream), and one that may not. */
export function natsOperator(): Operator {
  const operator = natsKey('operator');
  const accounts = {
    system: natsKey('account'),
    keeps: natsKey('account'),
    'keeps nothing': natsKey('account'),
  };
  const account = (name: keyof typeof accounts): string => {
    const limits = { ...NO_LIMITS, ...OF_ACCOUNT, ...(name === 'keeps' && KEEPS) };
    const nats = { limits, default_permissions: { pub: {}, sub: {} }, type: 'account' };
    return claim(operator, accounts[name].public, name, nats);
  };
  const own = claim(operator, operator.public, 'operator', {
    system_account: accounts.system.public,
    type: 'operator',
  });
  const preload = Object.entries(accounts).map(
    ([name, key]) => `  ${key.public}: ${account(name as keyof typeof accounts)}\n`,
  );
  return {
    config: `operator: ${own}\nsystem_account: ${accounts.system.public}\nresolver: MEMORY\nresolver_preload: {\n${preload.join('')}}\n`,
    creds(of = 'keeps', expires) {
      const user = natsKey('user');
      const nats = { pub: {}, sub: {}, ...NO_LIMITS, type: 'user' };
      const jwt = claim(
        accounts[of],
        user.public,
        'user',
        nats,
        expires === undefined ? {} : { exp: expires },
      );
      return [
        '-----BEGIN NATS USER JWT-----',
        jwt,
        '------END NATS USER JWT------',
        '',
        '-----BEGIN USER NKEY SEED-----',
        user.seed,
        '------END USER NKEY SEED------',
        '',
      ].join('\n');
    },
  };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31];
}

function crc16(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}
