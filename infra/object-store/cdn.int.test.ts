import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPurgeServer, type PurgeServer } from '../../testing/purge-server.ts';
import { webhookCdn } from './cdn.ts';

let network: PurgeServer;
beforeAll(async () => {
  network = await startPurgeServer();
});
afterAll(() => network.close());
beforeEach(() => {
  network.purges.length = 0;
});

const paths = ['/media/media/one/', '/media/media/two/'];

describe('a purge over HTTP', () => {
  it('says which addresses are to be forgotten, and is done once the network has taken it', async () => {
    await webhookCdn(network.url).purge(paths);
    expect(network.purges).toEqual([{ method: 'POST', contentType: 'application/json', body: { prefixes: paths } }]);
  });

  it.each([400, 404, 429, 500, 503])('is not done when the answer is %i', async (status) => {
    network.answers.push(status);
    await expect(webhookCdn(network.url).purge(paths)).rejects.toThrow(String(status));
  });

  it('is not done by being sent elsewhere, where it would arrive as a question', async () => {
    network.answers.push(302);
    await expect(webhookCdn(network.url).purge(paths)).rejects.toThrow();
    expect(network.purges).toHaveLength(1);
  });

  it('is not done without an answer in time, nor where nobody listens', async () => {
    network.answers.push(null);
    await expect(webhookCdn(network.url, { limitMs: 50 }).purge(paths)).rejects.toThrow('timeout');
    const gone = await startPurgeServer();
    await gone.close();
    await expect(webhookCdn(gone.url).purge(paths)).rejects.toThrow();
  });
});
