import { z } from 'zod';
import { Username } from '../../domain/account-events.ts';

/** A username in an address, in any case. */
export const UsernameInPath = z.object({ username: Username });
