import { parseArgs } from 'node:util';
import { onParentGone } from '../../process/parent-gone.ts';
import { endOrphans } from './guard.ts';

/**
 * Waits for the end of the process that started it, and then ends what that one had started. SIGTERM ends the waiting.
 */
const { values } = parseArgs({ options: { 'data-dir': { type: 'string', default: '.data' } } });
const waiting = setInterval(() => undefined, 2 ** 30);
onParentGone(() => {
  clearInterval(waiting);
  void endOrphans(values['data-dir']);
});
