/** The longest silence of each port of RTP that begins or lasts after `since` (Unix ms), in ms. */
export function gapsByPort(lines: string, since: number): Record<string, number> {
  const last = new Map<string, number>();
  const gaps: Record<string, number> = {};
  for (const line of lines.split('\n')) {
    const [epoch = '', port = ''] = line.trim().split('\t');
    const at = Number(epoch) * 1000;
    if (port === '' || Number(port) % 2 !== 0 || Number.isNaN(at)) continue; // odd ones are RTCP
    const before = last.get(port);
    if (before !== undefined && at > since) gaps[port] = Math.max(gaps[port] ?? 0, Math.round(at - before));
    last.set(port, at);
  }
  return gaps;
}
