import { startLaneProjector } from '../../testing/lane-projector.ts';

// The projector of the fan-out benchmark: feeds all models and lanes that are not paused.
const [eventStore = '', database = '', redis = ''] = process.argv.slice(2);
const projector = await startLaneProjector({ eventStore, database, redis }, { now: () => new Date(), group: 2_000 });
process.once('SIGTERM', () => {
  void projector.close().then(() => process.exit(0));
});
console.log('feeding');
