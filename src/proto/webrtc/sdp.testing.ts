const FINGERPRINT = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, '0').toUpperCase()).join(
  ':',
);

export interface LineAsk {
  readonly kind?: string;
  readonly mid?: string;
  readonly direction?: string;
  /** `111 opus/48000/2`, `0 PCMU/8000`. */
  readonly codecs?: readonly string[];
  readonly more?: readonly string[];
}

/** An offer as browsers write it, in short. */
export function makeOffer(lines: readonly LineAsk[], session: readonly string[] = []): string {
  const mids = lines.map((l, i) => l.mid ?? `${i}`);
  return `${[
    'v=0',
    'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${mids.join(' ')}`,
    'a=extmap-allow-mixed',
    ...session,
    ...lines.flatMap(
      ({ kind = 'audio', direction = 'sendonly', codecs = ['111 opus/48000/2'], more = [] }, i) => [
        `m=${kind} 9 UDP/TLS/RTP/SAVPF ${codecs.map(c => c.split(' ')[0]).join(' ')}`,
        'c=IN IP4 0.0.0.0',
        'a=rtcp:9 IN IP4 0.0.0.0',
        'a=ice-ufrag:4ZcD',
        'a=ice-pwd:2/1muCWoOi3uLifh0NuRHlSv',
        'a=ice-options:trickle',
        `a=fingerprint:sha-256 ${FINGERPRINT}`,
        'a=setup:actpass',
        `a=mid:${mids[i]}`,
        `a=${direction}`,
        'a=rtcp-mux',
        ...codecs.map(c => `a=rtpmap:${c}`),
        ...more,
      ],
    ),
  ].join('\r\n')}\r\n`;
}
