import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Whether a program answers to `-version`. When it does not, a line says that its tests are skipped;
 * under CI=true that is an error instead.
 */
export async function requireTool(program: string): Promise<boolean> {
  const found = await promisify(execFile)(program, ['-version']).then(
    () => true,
    () => false,
  );
  if (found) return true;
  const reason = `${program} is not installed`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return false;
}
