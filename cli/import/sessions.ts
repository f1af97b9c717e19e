import { z } from 'zod';
import { ApiError, type ApiClient, type ApiRequest } from './api-client.ts';

/** The imported accounts as they are logged in. */
export type Sessions = {
  /** Registers somebody, or logs in who is there already. */
  open(person: string): Promise<void>;
  /** Sends a request as one of them; a session that has run out meanwhile is renewed once. */
  send(api: ApiClient, person: string, request: ApiRequest): Promise<unknown>;
};

const Session = z.object({ access_token: z.string() });

/** `usernameOf` tells the user name of a person of the graph; all have one password. */
export function createSessions(
  write: ApiClient,
  { usernameOf, password }: { usernameOf: (person: string) => string; password: string },
): Sessions {
  const tokens = new Map<string, string>();
  const logIn = async (person: string) => {
    const answer = await write.send({
      method: 'POST',
      path: '/v1/users/login',
      body: { username: usernameOf(person), password },
    });
    tokens.set(person, Session.parse(answer).access_token);
  };
  const register = async (person: string) => {
    const username = usernameOf(person);
    const body = { username, email: `${username}@example.org`, password, full_name: `Person ${person}` };
    const answer = await write.send({
      method: 'POST',
      path: '/v1/users/register',
      body,
      idempotencyKey: `import-register-${username}`,
    });
    tokens.set(person, Session.parse(answer).access_token);
  };
  return {
    open: (person) =>
      register(person).catch(async (error: unknown) => {
        if (!(error instanceof ApiError) || (error.status !== 409 && error.status !== 422)) throw error;
        await logIn(person);
      }),
    send: async (api, person, request) => {
      if (!tokens.has(person)) await logIn(person);
      const send = () => api.send({ ...request, accessToken: tokens.get(person) ?? '' });
      return send().catch(async (error: unknown) => {
        if (!(error instanceof ApiError) || error.status !== 401) throw error;
        await logIn(person);
        return send();
      });
    },
  };
}
