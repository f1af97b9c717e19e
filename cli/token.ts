import type { Command } from 'commander';
import { signOperatorToken } from '../infra/auth/jwt.ts';
import { CliError } from './context.ts';
import type { Run } from './context.ts';

/** `token`: signs a token with the installation's secret and prints it, alone on one line, for use in scripts. */
export function registerToken(program: Command, run: Run): void {
  program
    .command('token')
    .description('print a token, good for an hour, that frees requests from rate limits (header X-Operator-Token)')
    .requiredOption('--scope <scope>', 'what the token allows: operator')
    .action(({ scope }: { scope: string }) =>
      run(async (context) => {
        if (scope !== 'operator') throw new CliError('--scope takes operator', 2);
        process.stdout.write(`${await signOperatorToken(context.config().JWT_SECRET, new Date())}\n`);
        return 0;
      }),
    );
}
