import { z } from 'zod';

/**
 * An id in a path. A text that cannot be an id comes out as undefined: there is nothing at it, which is a 404 and no
 * complaint about its form.
 */
export function idParam<Id extends z.ZodType>(id: Id) {
  return z
    .string()
    .max(200)
    .transform((text): z.output<Id> | undefined => {
      const parsed = id.safeParse(text);
      return parsed.success ? parsed.data : undefined;
    });
}

/** A username in a path, as it is stored. */
export const usernameParams = z.object({
  username: z
    .string()
    .max(200)
    .transform((text) => text.toLowerCase()),
});
