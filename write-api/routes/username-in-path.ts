import { z } from 'zod';
import { Username } from '../../domain/account.ts';

/** A username in an address, in any case. */
export const UsernameInPath = z.object({ username: Username });
