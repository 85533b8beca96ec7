import { readFileSync } from 'node:fs';

export interface Torture {
  readonly name: string;
  /** `read`, `drop`, or the status the parser asks for. */
  readonly parsed: string;
  /** First status an endpoint answers with, `-` for none. */
  readonly answered: string;
  readonly bytes: Buffer;
}

const REST =
  'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\nFrom: <sip:a@192.0.2.1>;tag=1\nTo: <sip:1000@bridge.example>\nCall-ID: rest\nCSeq: 1 $1';

/** Reads the blocks of `fixtures/sip/torture.txt`; see the README beside it. */
export function tortures(): Torture[] {
  const text = readFileSync(new URL('../../../fixtures/sip/torture.txt', import.meta.url), 'utf8');
  return text
    .split(/^=== /m)
    .slice(1)
    .map(block => {
      const [title, message] = block.split(/^---\n/m) as [string, string];
      const [name, parsed, answered] = (title.split('\n', 1)[0] as string).split(' | ') as string[];
      const wire = message
        .replace(/\{\{rest (\w+)\}\}/, REST)
        .replace(/\\\n\n/g, '\n')
        .replace(/\n/g, '\r\n')
        .replace(/\{\{long (\d+)\}\}/g, (_, n: string) => 'long'.repeat(Number(n) / 4))
        .replace(/\{\{((?:[0-9a-f]{2} ?)+)\}\}/g, (_, hex: string) =>
          Buffer.from(hex.replaceAll(' ', ''), 'hex').toString('latin1'),
        );
      const body = wire.slice(wire.indexOf('\r\n\r\n', 4) + 4);
      const bytes = Buffer.from(wire.replace('{{len}}', String(body.length)), 'latin1');
      return { name: name as string, parsed: parsed as string, answered: answered as string, bytes };
    });
}
