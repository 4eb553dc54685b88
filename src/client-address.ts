import ipaddr from 'ipaddr.js';

/**
 * The client that limits are counted for: its IPv4 address, or the /64 of its IPv6 address, since a single client
 * has all of that. `forwardedFor` is the X-Forwarded-For header: each proxy appends the address it was called from, so
 * the last `trustedProxies` entries are the word of proxies to believe and anything before them is the client's own.
 */
export function clientAddress(remote: string, forwardedFor: string, trustedProxies: number): string {
  const hops = [...forwardedFor.split(',').map(withoutPort), remote];
  const believed = hops.slice(-1 - trustedProxies).filter((hop) => ipaddr.isValid(hop));
  return network(believed[0] ?? remote);
}

/** `192.0.2.1:1234` and `[2001:db8::1]:1234`, as some proxies write, without brackets and port. */
function withoutPort(hop: string): string {
  const [, v6, v4] = /^(?:\[(.*)\](?::\d+)?|([\d.]+):\d+)$/.exec(hop.trim()) ?? [];
  return v6 ?? v4 ?? hop.trim();
}

function network(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed instanceof ipaddr.IPv6
    ? `${parsed.parts
        .slice(0, 4)
        .map((part) => part.toString(16))
        .join(':')}::/64`
    : parsed.toString();
}
