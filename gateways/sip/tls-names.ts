import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** RFC 5922 §7.1: a `sip:` URI without user names a domain; where there is such a URI, nothing else counts. */
const SIP_URI = /(?:^|, )URI:"?sip:([^@",;?]+)(?=[",;?]|$)/gi;

const domainsIn = ({ subjectaltname }: PeerCertificate): string[] =>
  [...(subjectaltname ?? '').matchAll(SIP_URI)].map(m => (m[1] as string).toLowerCase());

/** The domains and addresses a certificate stands for, lower case. */
export function namesIn(certificate: PeerCertificate): string[] {
  const domains = domainsIn(certificate);
  if (domains.length > 0) return domains;
  const { subjectaltname: said = '', subject } = certificate;
  const names = [...said.matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(m =>
    (m[1] as string).toLowerCase(),
  );
  // §7.1: the common name counts where there is no alternative one at all.
  return names.length > 0 || said !== '' || typeof subject?.CN !== 'string'
    ? names
    : [subject.CN.toLowerCase()];
}

/**
 * Why a server's certificate is not that of `name`. RFC 5922 §7.2, but for the one `*.` label of RFC 9525 §6.3, which
 * carriers use.
 */
export function checkName(name: string, certificate: PeerCertificate): Error | undefined {
  const domains = domainsIn(certificate);
  const named =
    domains.length > 0
      ? domains.includes(name.toLowerCase())
      : checkServerIdentity(name, certificate) === undefined;
  if (named) return undefined;
  return new Error(`its certificate is for ${namesIn(certificate).join(', ') || 'nobody'}, not for ${name}`);
}
