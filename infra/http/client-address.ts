import { isIPv4, isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * What stands for one client where addresses are counted: an IPv4 address itself (also where IPv6 carries it), of an
 * IPv6 address the first 64 bits, because whoever has one address of such a network has all of them. `unknown` for no
 * address.
 */
export function clientNetwork(address: string | undefined): string {
  const text = address?.split('%', 1)[0] ?? '';
  const mapped = MAPPED.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIPv4(text)) return text;
  return isIPv6(text) ? `${groupsOf(text).slice(0, 4).join(':')}::/64` : 'unknown';
}

// The eight groups without leading zeros; a tail in dotted form only says something of the last two.
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split('::', 2);
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].map((group) => parseInt(group, 16).toString(16));
}

/** True for an address of this machine alone. */
export function isLoopback(address: string | undefined): boolean {
  const network = clientNetwork(address);
  return network.startsWith('127.') || address === '::1';
}
