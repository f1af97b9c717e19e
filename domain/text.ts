import { z } from 'zod';

/**
 * A string of at most `max` Unicode code points (not UTF-16 units, so that an emoji counts once). The zero character
 * and unpaired surrogates are refused: databases cannot store the first, and the second has no bytes of its own.
 */
export function boundedText(max: number): z.ZodString {
  return z
    .string()
    .refine((text) => text.length <= max || [...text].length <= max, `must have at most ${max} characters`)
    .refine((text) => !text.includes('\u0000') && text.isWellFormed(), 'must be valid text')
    .meta({ maxLength: max });
}
