import { readFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

// Asks for feeds: <url> <file of callers, one a line> <connections> <seconds, 0 for once with each> <requests a second,
// 0 for as many as go> [peer] A caller is an access token; for the peer it is an actor of its timeline.
const [url = '', file = '', connections = '1', seconds = '1', rate = '0', peer] = process.argv.slice(2);
const callers = readFileSync(file, 'utf8').trim().split('\n');
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const times: number[] = [];
let failed = 0;
let bytes = 0;
let next = 0;

function asked(caller: string): { address: string; options: RequestOptions; body?: string } {
  if (peer === undefined)
    return { address: `${url}/v1/feed?limit=20`, options: { headers: { authorization: `Bearer ${caller}` } } };
  const body = JSON.stringify({ actorDid: caller, limit: 20 });
  return {
    address: `${url}/bsky.Service/GetTimeline`,
    options: { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': body.length } },
    body,
  };
}

function ask(): Promise<void> {
  const { address, options, body } = asked(callers[next++ % callers.length] ?? '');
  const since = performance.now();
  return new Promise((resolve) => {
    request(address, { agent, ...options }, (response) => {
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
      });
      response.on('end', () => {
        if (response.statusCode !== 200) failed += 1;
        bytes = size;
        times.push(performance.now() - since);
        resolve();
      });
    })
      .on('error', () => {
        failed += 1;
        resolve();
      })
      .end(body);
  });
}

const begin = performance.now();
const end = begin + Number(seconds) * 1_000;
if (Number(rate) > 0) {
  const underWay = new Set<Promise<void>>();
  for (let sent = 0; performance.now() < end; sent += 1) {
    const due = begin + (sent * 1_000) / Number(rate);
    if (due > performance.now()) await delay(due - performance.now());
    const asking: Promise<void> = ask().finally(() => underWay.delete(asking));
    underWay.add(asking);
  }
  await Promise.all(underWay);
} else {
  const goesOn = Number(seconds) === 0 ? () => next < callers.length : () => performance.now() < end;
  await Promise.all(
    Array.from({ length: Number(connections) }, async () => {
      while (goesOn()) await ask();
    }),
  );
}
const took = (performance.now() - begin) / 1_000;
times.sort((a, b) => a - b);
const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
console.log(JSON.stringify({ rate: times.length / took, p50: at(0.5), p99: at(0.99), failed, bytes }));
agent.destroy();
