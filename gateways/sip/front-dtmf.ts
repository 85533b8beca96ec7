/** Keys sent in INFO, as phones do it; no RFC has it. */
export const DTMF_TYPES = ['application/dtmf-relay', 'application/dtmf'] as const;

const DEFAULT_MS = 160;

/** `Signal=5\r\nDuration=160` (dtmf-relay) or a bare `5` (dtmf); undefined when it is no key. */
export function readDtmfInfo(
  contentType: string,
  content: string,
): { digit: string; ms: number } | undefined {
  const relay = contentType === 'application/dtmf-relay';
  const signal = relay ? /^\s*signal\s*=\s*(\S+)\s*$/im.exec(content)?.[1] : content.trim();
  // 10 and 11 are star and pound where a sender counts events (RFC 4733 §3.2).
  const digit = signal === '10' ? '*' : signal === '11' ? '#' : signal?.toUpperCase();
  if (digit === undefined || !/^[0-9A-D*#]$/.test(digit)) return undefined;
  const said = relay
    ? Number(/^\s*duration\s*=\s*(\d{1,5})\s*$/im.exec(content)?.[1] ?? DEFAULT_MS)
    : DEFAULT_MS;
  return { digit, ms: Math.min(Math.max(said, 40), 5000) };
}
