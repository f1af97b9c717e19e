import { describe, expect, it } from 'vitest';
import { hashtagsOf, normaliseHashtag } from './hashtag.ts';

describe('hashtagsOf', () => {
  it('finds tags in any script, once each, in order of appearance', () => {
    expect(hashtagsOf('#Sunset over #zürich, again #SUNSET and #写真 #a_b2')).toEqual([
      'sunset',
      'zürich',
      '写真',
      'a_b2',
    ]);
  });

  it('takes neither numbers alone, nor an anchor in an address, nor an entity', () => {
    expect(hashtagsOf('we are #1, see https://example.org/page#top and &#39;')).toEqual([]);
  });

  it('keeps the vowel signs of scripts that write them as marks', () => {
    expect(hashtagsOf('#हिन्दी #ไทยนี้')).toEqual(['हिन्दी', 'ไทยนี้'.normalize('NFKC')]);
  });

  it('ends a tag at punctuation and starts one right after it', () => {
    expect(hashtagsOf('(#one)#two!#three')).toEqual(['one', 'two', 'three']);
  });

  it('gives two spellings of one letter the same tag', () => {
    expect(hashtagsOf('#cafe\u0301')).toEqual(hashtagsOf('#caf\u00e9'));
    expect(normaliseHashtag('#Caf\u00c9')).toBe('caf\u00e9');
  });
});
