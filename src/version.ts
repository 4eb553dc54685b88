import { readFileSync } from 'node:fs';

const packageJson: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** The version of this service: that of its package. Read, not imported: an import would pull package.json into dist/. */
export const version = packageJson.version;
