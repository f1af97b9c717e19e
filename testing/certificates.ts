import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** An authority of a test's own, with its certificate in a file. */
export type TestAuthority = { readonly file: string; issue(names: string[], until?: Date): Promise<TestCertificate> };
export type TestCertificate = { readonly key: string; readonly cert: string };

/** Makes an authority that signs certificates for host names. `name` also names its file in the directory. */
export async function makeAuthority(directory: string, name: string): Promise<TestAuthority> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const file = join(directory, `${name}.crt`);
  writeFileSync(file, cert);
  return {
    file,
    issue: async (names, until) => {
      const made = await generate([{ name: 'commonName', value: names[0] ?? '' }], {
        keyType: 'ec',
        algorithm: 'sha256',
        ca: { key, cert },
        ...(until === undefined ? {} : { notBeforeDate: new Date(until.getTime() - 86_400_000), notAfterDate: until }),
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) },
        ],
      });
      return { key: made.private, cert: made.cert };
    },
  };
}
