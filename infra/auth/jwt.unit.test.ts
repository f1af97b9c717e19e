import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { AccountId } from '../../domain/ids.ts';
import { createTokens, signOperatorToken, TOKEN_SECONDS } from './jwt.ts';

const secret = 'a secret of at least 32 characters';
const ann = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp41');
const tokens = createTokens(secret);
const claims = { iss: 'shutterlog', aud: 'shutterlog-api', sub: ann, exp: Math.floor(Date.now() / 1000) + 60 };
const invalid = { ok: false, reason: 'invalid' };

describe('access tokens', () => {
  it('speak for their account and session', async () => {
    expect(await tokens.account(await tokens.forAccount(ann, 'session-1', new Date()))).toEqual({
      ok: true,
      account: { id: ann, session: 'session-1' },
    });
  });

  it('run out on time, though they were good a moment ago', async () => {
    const almostOld = await tokens.forAccount(ann, 's', new Date(Date.now() - (TOKEN_SECONDS - 2) * 1000));
    expect((await tokens.account(almostOld)).ok).toBe(true);
    await expect
      .poll(async () => tokens.account(almostOld), { timeout: 8_000 })
      .toEqual({ ok: false, reason: 'expired' });
  });

  it('run out after an hour', async () => {
    const old = await tokens.forAccount(ann, 's', new Date(Date.now() - (TOKEN_SECONDS + 1) * 1000));
    expect(await tokens.account(old)).toEqual({ ok: false, reason: 'expired' });
  });

  it('are refused when another secret, no secret or another issuer signed them', async () => {
    const sign = (changes: object, key = secret) =>
      new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(key));
    expect((await tokens.account(await sign({}))).ok).toBe(true);
    expect(await tokens.account(await sign({}, 'another secret of 32 characters!!'))).toEqual(invalid);
    expect(await tokens.account(new UnsecuredJWT(claims).encode())).toEqual(invalid);
    expect(await tokens.account(await sign({ iss: 'somebody' }))).toEqual(invalid);
    expect(await tokens.account(await sign({ sub: 'acc_x' }))).toEqual(invalid);
    expect(await tokens.account('nonsense')).toEqual(invalid);
  });
});

describe('operator tokens', () => {
  it('prove an operator and never an account', async () => {
    const token = await signOperatorToken(secret, new Date());
    expect(await tokens.operator(token)).toBe(true);
    expect(await tokens.account(token)).toEqual(invalid);
  });

  it('are not access tokens, old ones or made-up ones', async () => {
    expect(await tokens.operator(await tokens.forAccount(ann, 's', new Date()))).toBe(false);
    expect(
      await tokens.operator(await signOperatorToken(secret, new Date(Date.now() - (TOKEN_SECONDS + 1) * 1000))),
    ).toBe(false);
    expect(await tokens.operator(await signOperatorToken('another secret of 32 characters!!', new Date()))).toBe(false);
    expect(await tokens.operator('')).toBe(false);
  });
});
