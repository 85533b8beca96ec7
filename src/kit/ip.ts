/**
 * The bytes of an IP address text: 4 or 16; undefined when it is none. A zone (`fe80::1%eth0`) is dropped, and an
 * IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, as dual-stack sockets report) comes out as its 4 bytes.
 */
export function ipBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return ipv4Bytes(text);
  const bytes = ipv6Bytes(text.split('%', 1)[0] as string);
  if (bytes === undefined) return undefined;
  const mapped = bytes[10] === 255 && bytes[11] === 255 && bytes.subarray(0, 10).every(b => b === 0);
  return mapped ? bytes.slice(12) : bytes;
}

/** RFC 3986 §3.2.2: four decimal octets without leading zeros. */
function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(p => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

/** RFC 4291 §2.2: eight groups, one run of zeros as `::`, the last two groups perhaps as IPv4. */
function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(groups);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const zeros = 16 - head.length - (tail?.length ?? 0);
  if (halves.length === 1 ? zeros !== 0 : zeros < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(zeros).fill(0), ...(tail ?? [])]);
}

function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const v4 = i === parts.length - 1 && part.includes('.') ? ipv4Bytes(part) : undefined;
    if (v4 !== undefined) bytes.push(...v4);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 255);
    } else return undefined;
  }
  return bytes;
}
