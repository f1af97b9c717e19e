/** Who may log in to the demo world; absent when there is none. */
export type DemoLogin = { username: string; password: string };
export type HomePage = { demo?: DemoLogin };

/** The page's own style, which its policy names by hash. */
export const HOME_STYLE = `
  body { max-width: 42rem; margin: 4rem auto; padding: 0 1.5rem; font: 1rem/1.6 system-ui, sans-serif; color: #222; background: #fff; }
  code { padding: .1em .3em; border-radius: .3em; background: #f2f2f2; }
  a { color: #0b57d0; }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616; } code { background: #2a2a2a; } a { color: #8ab4f8; } }
`;

/** The page at `/`: where the documentation is and, on a demo stack, whose feed to look at. */
export function homePage({ demo }: HomePage): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shutterlog</title>
<style>${HOME_STYLE}</style>
<h1>Shutterlog</h1>
<p>The backend of a photo-sharing network. Its truth is an event log; feeds, profiles and counts are read models that can be thrown away and rebuilt from it.</p>
<ul>
  <li><a href="/docs">API documentation</a>, from <a href="/openapi.json">openapi.json</a></li>
  <li><a href="/health/ready">Health of the read API</a></li>
</ul>
${demo === undefined ? '' : demoSection(demo)}</html>
`;
}

function demoSection({ username, password }: DemoLogin): string {
  return `<h2>Demo login</h2>
<p>Log in as <code>${escapeHtml(username)}</code> with the password <code>${escapeHtml(password)}</code> through <code>POST /v1/users/login</code>,
then read <code>GET /v1/feed</code> with the access token.</p>
`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
