import type { ByteRange } from '../infra/object-store/object-store.ts';

const SINGLE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * The one range that a Range header asks for; undefined means the whole. Several ranges, other units and nonsense count
 * as none, as RFC 9110 section 14.2 lets a server do. A range without bytes is left to the store, which refuses it.
 */
export function rangeOf(header: string | undefined): ByteRange | undefined {
  const [, first = '', last = ''] = SINGLE.exec(header?.replaceAll(' ', '') ?? '') ?? [];
  if (first === '') return last === '' ? undefined : { suffix: Number(last) };
  if (last === '') return { start: Number(first) };
  return Number(last) < Number(first) ? undefined : { start: Number(first), end: Number(last) };
}

/** Whether an If-None-Match header names an entity tag; weak and strong ones compare alike. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header
    .split(',')
    .some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag.replace(/^W\//, ''));
}
