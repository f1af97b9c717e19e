import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { isPolyglot } from './polyglot.ts';
import { knownType, sniff } from './sniff.ts';

const blank = sharp({ create: { width: 8, height: 8, channels: 3, background: '#567' } });
const [jpeg, png, webp, avif, gif, tiff] = await Promise.all([
  blank.clone().jpeg().toBuffer(),
  blank.clone().png().toBuffer(),
  blank.clone().webp().toBuffer(),
  blank.clone().avif().toBuffer(),
  blank.clone().gif().toBuffer(),
  blank.clone().tiff().toBuffer(),
]);

describe('sniffing', () => {
  test.each([
    ['image/jpeg', jpeg],
    ['image/png', png],
    ['image/webp', webp],
    ['image/avif', avif],
    ['image/heic', Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), Buffer.alloc(64)])],
  ])('knows %s by its content', async (type, bytes) => {
    expect(await sniff(bytes)).toEqual({ ok: true, kind: 'image', type });
    expect(await sniff(bytes, type)).toMatchObject({ ok: true });
  });

  test.each([
    ['video/mp4', '\0\0\0\x18ftypisom\0\0\0\0isommp42'],
    ['video/quicktime', '\0\0\0\x14ftypqt  \0\0\0\0qt  '],
  ])('knows %s by its content', async (type, start) => {
    expect(await sniff(Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(64)]))).toEqual({
      ok: true,
      kind: 'video',
      type,
    });
  });

  test('takes the other names of a type', async () => {
    expect(await sniff(jpeg, 'image/jpg')).toMatchObject({ ok: true });
    expect(await sniff(jpeg, 'Image/JPEG; charset=binary')).toMatchObject({ ok: true });
    expect(knownType('text/html')).toBeNull();
  });

  test.each([
    ['an empty file', Buffer.alloc(0), 'media_empty'],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'media_unsupported_type'],
    [
      'an XML that holds an SVG',
      Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
      'media_unsupported_type',
    ],
    ['a PDF', Buffer.from('%PDF-1.7\n%âãÏÓ\n1 0 obj'), 'media_unsupported_type'],
    ['a page', Buffer.from('<!doctype html><script>alert(1)</script>'), 'media_unsupported_type'],
    ['a GIF', gif, 'media_unsupported_type'],
    ['a TIFF', tiff, 'media_unsupported_type'],
    ['plain words', Buffer.from('hello there, this is no picture'), 'media_unsupported_type'],
    ['one byte', Buffer.from([0xff]), 'media_unsupported_type'],
    [
      'a JPEG behind an audio tag',
      Buffer.concat([Buffer.from('ID3\x03\0\0\0\0\0\x0a', 'latin1'), Buffer.alloc(10), jpeg]),
      'media_unsupported_type',
    ],
  ])('refuses %s, whatever it is called', async (_, bytes, code) => {
    expect(await sniff(bytes, 'image/jpeg')).toMatchObject({ ok: false, code });
  });

  test('refuses content of another type than declared', async () => {
    expect(await sniff(png, 'image/jpeg')).toMatchObject({ ok: false, code: 'media_type_mismatch' });
    expect(await sniff(png, 'application/octet-stream')).toMatchObject({ ok: false, code: 'media_type_mismatch' });
  });
});

describe('polyglots', () => {
  const withComment = (comment: string) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(comment.length + 2);
    return Buffer.concat([
      jpeg.subarray(0, 2),
      Buffer.from([0xff, 0xfe]),
      length,
      Buffer.from(comment, 'latin1'),
      jpeg.subarray(2),
    ]);
  };
  const entry = Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), Buffer.alloc(43)]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);

  test.each([
    ['a PDF', withComment('%PDF-1.4')],
    ['a page', withComment('*/<ScRiPt>alert(1)</script>')],
    ['a program', withComment('<?php system($_GET[0]);')],
    ['an archive', Buffer.concat([jpeg, entry, end])],
    ['an archive with a comment', Buffer.concat([jpeg, entry, end, Buffer.alloc(500, 'c')])],
  ])('refuses a JPEG that is also %s', async (_, bytes) => {
    expect((await sharp(bytes).metadata()).format).toBe('jpeg');
    expect(await sniff(bytes, 'image/jpeg')).toMatchObject({ ok: false, code: 'media_polyglot' });
  });

  test('takes a JPEG with a clip behind it, as phones write them', async () => {
    expect(
      isPolyglot(Buffer.concat([jpeg, Buffer.from('\0\0\0\x18ftypmp42', 'latin1'), Buffer.alloc(90_000, 7)])),
    ).toBe(false);
  });

  test('is not misled by an archive signature without a directory', () => {
    expect(isPolyglot(Buffer.concat([jpeg, Buffer.from('PK\x05\x06', 'latin1')]))).toBe(false);
    expect(isPolyglot(Buffer.concat([jpeg, Buffer.from('PK\x05\x06', 'latin1'), Buffer.alloc(40)]))).toBe(false);
  });
});
