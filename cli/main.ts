import { Command, CommanderError } from 'commander';
import { registerAccounts } from './accounts.ts';
import { runWithContext, type Run } from './context.ts';
import { registerDeadLetters } from './dead-letters.ts';
import { registerDoctor } from './doctor.ts';
import { registerEvents } from './events.ts';
import { registerImport } from './import.ts';
import { registerMedia } from './media.ts';
import { registerProjections } from './projections.ts';
import { registerToken } from './token.ts';

const program = new Command('shutterlog')
  .description('Operate Shutterlog: projections, the event log, imports and checks.')
  .option('--data-dir <folder>', 'the folder of the npm start to work on; the environment wins over it', '.data')
  .exitOverride()
  .showHelpAfterError();

const run: Run = async (work) => {
  const { dataDir } = program.opts<{ dataDir: string }>();
  process.exitCode = await runWithContext({ dataDir, env: process.env }, work);
};

registerProjections(program, run);
registerDeadLetters(program, run);
registerEvents(program, run);
registerImport(program, run);
registerAccounts(program, run);
registerToken(program, run);
registerDoctor(program, run);
registerMedia(program, run);

try {
  await program.parseAsync();
} catch (error) {
  // Asking for help is no mistake; anything else that commander refuses is wrong use.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
