import { expect, test } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';

test('needs no variable at all', () => {
  expect(readConfig({})).toEqual({
    host: '127.0.0.1',
    port: 8080,
    publicUrl: 'http://localhost:8080',
    depositTtl: 600,
    depositsPerMinute: 60,
    missesPerMinute: 60,
    trustProxy: 0,
    tlsCert: undefined,
    tlsKey: undefined,
    metricsToken: undefined,
    connectHosts: undefined,
    corsOrigins: '*',
    maxDeposits: 20_000,
    rportReleasesUrl: 'https://github.com/openrport/openrport/releases',
    rportVersion: '0.9.14',
    tacoscriptReleasesUrl: 'https://github.com/realvnc-labs/tacoscript/releases',
  });
});

test('takes an empty variable as unset', () => {
  expect(readConfig({ PORT: '' }).port).toBe(8080);
});

test('takes slashes off the end of a URL', () => {
  expect(readConfig({ PUBLIC_URL: 'https://pairing.example.com/pair//' }).publicUrl).toBe(
    'https://pairing.example.com/pair',
  );
});

test.each([
  ['PORT', 'http'],
  ['PORT', '0'],
  ['PORT', '65536'],
  ['PORT', '1e3'],
  ['PUBLIC_URL', 'pairing.example.com'],
  ['PUBLIC_URL', 'ftp://pairing.example.com'],
  ['PUBLIC_URL', 'https://user:secret@pairing.example.com'],
  ['PUBLIC_URL', 'https://pairing.example.com/$(reboot)'],
  ['PUBLIC_URL', 'https://pairing.example.com/?a'],
  ['DEPOSIT_TTL', '0'],
  ['MAX_DEPOSITS', '-1'],
  ['TRUST_PROXY', 'yes'],
  ['DEPOSITS_PER_MINUTE', '0'],
  ['MISSES_PER_MINUTE', '-1'],
  ['TLS_CERT', 'cert.pem'],
  ['CONNECT_HOSTS', 'https://rport.example.com'],
  ['CONNECT_HOSTS', 'rport.example.com:8080'],
  ['CONNECT_HOSTS', 'rport.example.com,,other.example'],
  ['CONNECT_HOSTS', '*'],
  ['CONNECT_HOSTS', 'a.*.example.com'],
  ['CORS_ORIGINS', 'rport.example.com'],
  ['CORS_ORIGINS', 'https://rport.example.com/path'],
  ['CORS_ORIGINS', '*, https://rport.example.com'],
  ['RPORT_RELEASES_URL', 'nowhere'],
  ['RPORT_VERSION', '0.9.14; reboot'],
  ['RPORT_VERSION', 'v0.9.14'],
  ['RPORT_VERSION', 'newest'],
  ['TACOSCRIPT_RELEASES_URL', 'nowhere'],
])('refuses %s=%s in one line that begins with the name', (name, value) => {
  const read = () => readConfig({ [name]: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(new RegExp(`^${name}: must [^\n]+$`));
});

test('takes lists with spaces, and writes hosts and origins as URLs do', () => {
  const config = readConfig({
    CONNECT_HOSTS: 'RPort.example.com, *.b\u00fccher.example,192.0.2.1,[2001:DB8::1]',
    CORS_ORIGINS: 'https://RPort.example.com/, http://localhost:3000',
  });
  expect(config.connectHosts).toEqual(['rport.example.com', '*.xn--bcher-kva.example', '192.0.2.1', '[2001:db8::1]']);
  expect(config.corsOrigins).toEqual(['https://rport.example.com', 'http://localhost:3000']);
});

test('names all bad variables at once', () => {
  expect(() => readConfig({ PORT: 'x', DEPOSIT_TTL: 'y' })).toThrow(/^PORT: .*\nDEPOSIT_TTL: .*$/);
});
