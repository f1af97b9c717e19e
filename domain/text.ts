import { z } from 'zod';
import {
  composed,
  hasControls,
  hasPrivateCharacters,
  hidesCharacters,
  isBlank,
  lengthOf,
  pilesUpMarks,
  withoutHiddenTags,
  withoutStrayDirections,
} from './characters.ts';

/**
 * Code points for each character of a limit, at most: limits count what a reader counts, and an emoji of a family has
 * seven code points. The bound keeps what is stored in proportion.
 */
const CODE_POINTS_EACH = 8;

/**
 * A text as the log holds it, in events of all times: nothing but what can be stored, and a bound. Never made stricter,
 * so that what was written stays readable; what a client sends passes one of the schemas below.
 */
export function storedText(max: number): z.ZodString {
  return z
    .string()
    .refine((text) => hasCodePointsAtMost(text, max * CODE_POINTS_EACH), `must have at most ${max} characters`)
    .refine(isStorable, 'must be valid text')
    .meta({ maxLength: max * CODE_POINTS_EACH });
}

/**
 * Running text of several lines, such as a caption: composed (NFC), without what turns the direction of its
 * surroundings or hides text, and empty when it shows nothing.
 */
export function proseText(max: number): z.ZodString {
  return bounded(max, (text) => {
    const kept = withoutHiddenTags(withoutStrayDirections(composed(text)));
    return isBlank(kept) ? '' : kept;
  }).refine((text) => !hasControls(text), 'must not have control characters');
}

/**
 * A name that stands beside others, such as a person's or a place's: one line, composed (NFC), blanks as single spaces.
 * It takes nothing that cannot be seen, so that no two names look alike by that (the Nickname profile of RFC 8266 does
 * the same).
 */
export function nameText(max: number): z.ZodString {
  return bounded(max, (text) =>
    isBlank(text)
      ? ''
      : text
          .normalize('NFC')
          .replace(/\p{Zs}+/gu, ' ')
          .trim(),
  )
    .refine(
      (text) => !hidesCharacters(text),
      'must not have line breaks, invisible characters or such as turn the direction of writing',
    )
    .refine((text) => !hasPrivateCharacters(text), 'must not have characters that have no meaning of their own');
}

/**
 * The address of a web page, as it was typed: http or https, without a name and password, and showing all that it
 * holds. Empty for none.
 */
export function webAddress(max: number): z.ZodString {
  return bounded(max, (text) => (isBlank(text) ? '' : text.normalize('NFC').trim()))
    .refine((text) => text === '' || isWebAddress(text), 'must be an http or https address')
    .refine(
      (text) => !hidesCharacters(text) && !hasPrivateCharacters(text),
      'must not have invisible characters or such as turn the direction of writing',
    )
    .refine((text) => !hasCredentials(text), 'must not have a user name or password');
}

/** What somebody looks for: composed (NFC), and not blank. */
export function soughtText(max: number): z.ZodString {
  return bounded(max, (text) => (isBlank(text) ? '' : composed(text).trim())).min(1, 'must not be blank');
}

function bounded(max: number, normalise: (text: string) => string): z.ZodString {
  return (
    z
      .string()
      .refine(isStorable, 'must be valid text')
      // Before it is normalised, which takes its time.
      .refine((text) => hasCodePointsAtMost(text, 2 * max * CODE_POINTS_EACH), {
        message: `must have at most ${max} characters`,
        abort: true,
      })
      .overwrite(normalise)
      .refine((text) => isAsLongAs(text, max), `must have at most ${max} characters`)
      .refine((text) => !pilesUpMarks(text), 'must not pile up marks on a letter')
      .meta({ maxLength: max * CODE_POINTS_EACH, description: `At most ${max} characters, as a reader counts them` })
  );
}

// Nothing is cut: half an emoji would be another one.
function isAsLongAs(text: string, max: number): boolean {
  return text.length <= max || (hasCodePointsAtMost(text, max * CODE_POINTS_EACH) && lengthOf(text) <= max);
}

function hasCodePointsAtMost(text: string, max: number): boolean {
  return text.length <= max || (text.length <= 2 * max && [...text].length <= max);
}

// Databases cannot store the zero character, and half of a surrogate pair has no bytes of its own.
function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed();
}

// A backslash is a slash to browsers and none to others, who would see another host.
function isWebAddress(text: string): boolean {
  return /^https?:\/\/[^\s/\\]+[^\s\\]*$/i.test(text) && URL.canParse(text);
}

function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.username !== '' ||
      url.password !== '' ||
      text
        .slice(text.indexOf('//') + 2)
        .split(/[/?#]/, 1)[0]
        ?.includes('@') === true)
  );
}
