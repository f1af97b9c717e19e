import { z } from 'zod';

/** The looks that a photo can be given. */
export const Filter = z.enum(['clarendon', 'gingham', 'moon', 'lark', 'juno']);
export type Filter = z.infer<typeof Filter>;
