import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openRaw } from './raw-http.ts';

type Attack = (socket: Socket, path: string) => Promise<void> | void;

const head = (line: string, headers = '') => `${line} HTTP/1.1\r\nhost: edge\r\n${headers}\r\n`;
const reset = (socket: Socket) => {
  socket.resetAndDestroy();
};
// Not events.once: a server that resets the connection of such a client has done nothing wrong.
const happened = (socket: Socket, event: 'data' | 'close') =>
  new Promise<void>((resolve) => {
    socket.once(event, () => {
      resolve();
    });
  });
// The first bytes of an answer, or its end: whichever comes first.
const firstBytes = (socket: Socket) =>
  Promise.race([happened(socket, 'data'), happened(socket, 'close'), delay(2_000)]);

/**
 * What clients do to a server that they wish ill, or on a bad line; each ends in a reset, a half-closed or a stalled
 * connection.
 */
const ATTACKS: Record<string, Attack> = {
  'reset at once': reset,
  'reset in the middle of the head': (socket, path) => {
    socket.write(`GET ${path} HTTP/1.1\r\nho`, () => {
      reset(socket);
    });
  },
  'reset behind a request': (socket, path) => {
    socket.write(head(`GET ${path}`), () => {
      reset(socket);
    });
  },
  'reset behind a WebSocket upgrade': (socket, path) => {
    socket.write(
      head(
        `GET ${path}`,
        'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
      ),
      () => {
        reset(socket);
      },
    );
  },
  'reset behind an upgrade of a live connection': (socket) => {
    socket.write(head('GET /v1/live', 'connection: upgrade\r\nupgrade: websocket\r\n'), () => {
      reset(socket);
    });
  },
  'reset behind an h2c upgrade': (socket, path) => {
    socket.write(
      head(`GET ${path}`, 'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n'),
      () => {
        reset(socket);
      },
    );
  },
  'reset in the middle of a body': (socket) => {
    socket.write(
      head('POST /v1/users/login', 'content-type: application/json\r\ncontent-length: 1000\r\n') + '{',
      () => {
        reset(socket);
      },
    );
  },
  'reset in the middle of an upload': (socket) => {
    socket.write(head('PUT /upload/a', 'content-length: 9000000\r\n') + 'x'.repeat(200_000), () => {
      reset(socket);
    });
  },
  'reset in the middle of a form': (socket) => {
    socket.write(
      head('POST /v1/posts', 'content-type: multipart/form-data; boundary=b\r\ncontent-length: 9000\r\n') +
        '--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nx',
      () => {
        reset(socket);
      },
    );
  },
  'reset in the middle of an answer': async (socket) => {
    socket.write(head('GET /docs/swagger-ui-bundle.js'));
    await firstBytes(socket);
    reset(socket);
  },
  'reset behind many pipelined requests': (socket, path) => {
    socket.write(head(`GET ${path}`).repeat(50), () => {
      reset(socket);
    });
  },
  'reset at 100 Continue': async (socket) => {
    socket.write(head('POST /v1/users/login', 'expect: 100-continue\r\ncontent-length: 10\r\n'));
    await firstBytes(socket);
    reset(socket);
  },
  'half-closed behind a request': async (socket, path) => {
    socket.end(head(`GET ${path}`));
    await firstBytes(socket);
    socket.destroy();
  },
  'half-closed in the middle of a body': async (socket) => {
    socket.end(head('POST /v1/users/login', 'content-length: 1000\r\n') + '{');
    await firstBytes(socket);
    socket.destroy();
  },
  'two lengths': (socket) => {
    socket.end(
      head('POST /v1/users/login', 'content-length: 4\r\ntransfer-encoding: chunked\r\n') +
        '0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
      () => {
        reset(socket);
      },
    );
  },
  'no HTTP at all': (socket) => {
    socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0xff, 10, 13, 10, 13, 10]), () => {
      reset(socket);
    });
  },
  'HTTP/2 with a broken frame': async (socket) => {
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff, 0xff]));
    await firstBytes(socket);
    reset(socket);
  },
  'HTTP/2 that opens streams and resets them': async (socket) => {
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    for (let id = 1; id < 200; id += 2)
      socket.write(Buffer.from([0, 0, 3, 1, 4, 0, 0, 0, id, 0x83, 0x86, 0x84, 0, 0, 4, 3, 0, 0, 0, 0, id, 0, 0, 0, 8]));
    await firstBytes(socket);
    reset(socket);
  },
};

/** Connections that say something, or nothing, and then stay: the caller ends them. */
const STALLS: readonly string[] = [
  '',
  'GET /v1/feed HTTP/1.1\r\nhost: ed',
  head('POST /v1/users/login', 'content-length: 1000\r\n') + '{',
  head('GET /docs/swagger-ui-bundle.js').repeat(20),
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

/**
 * Does every attack once on a port, at the same time; rejects only when nobody takes connections there. Returns their
 * number.
 */
export async function attackOnce(port: number, path: string): Promise<number> {
  await Promise.all(
    Object.values(ATTACKS).map(async (attack) => {
      const socket = await openRaw(port);
      await attack(socket, path);
      if (!socket.destroyed) await Promise.race([happened(socket, 'close'), delay(2_000)]);
      socket.destroy();
    }),
  );
  return Object.keys(ATTACKS).length;
}

/** Opens connections of every kind that stall, `each` of a kind, and reads nothing of what comes. */
export async function openStalled(port: number, each: number): Promise<Socket[]> {
  const wanted = STALLS.flatMap((said) => Array.from({ length: each }, () => said));
  return Promise.all(
    wanted.map(async (said) => {
      const socket = await openRaw(port);
      socket.pause();
      if (said !== '') socket.write(said);
      return socket;
    }),
  );
}
