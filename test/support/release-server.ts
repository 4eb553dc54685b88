import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** The releases the server knows: `latest` is stable, the feed begins with a newer pre-release. */
export const RPORT_VERSIONS = { unstable: '0.10.0-rc.1', stable: '0.9.14', older: '0.9.13' } as const;
const TACOSCRIPT_VERSION = '0.0.9';

const RPORT_PATH = '/openrport/openrport/releases';
const TACOSCRIPT_PATH = '/realvnc-labs/tacoscript/releases';
const LINUX_ARCHS = [
  ...['x86_64', 'i386', 'arm64', 'armv6', 'armv7', 's390x'],
  ...['mips', 'mipsle', 'mips64', 'mips64le'].flatMap((arch) => [`${arch}_hardfloat`, `${arch}_softfloat`]),
];
const FEED = Object.values(RPORT_VERSIONS);
const STANDIN = readFileSync(new URL('rport-standin.sh', import.meta.url), 'utf8');

/** What the server does wrong; an empty object is a healthy server. */
export type Faults = {
  /** Answers of requests whose path ends in the key, e.g. `{ 'checksums.txt': 404 }`. */
  status?: Record<string, number>;
  /**
   * What is wrong with every archive: `tampered` does not match its checksum, `cut` ends in mid-transfer, `corrupt` is
   * no archive though its checksum is right, `wont-run` and `wrong-version` hold such a client, `empty` holds none.
   */
  archive?: 'tampered' | 'cut' | 'corrupt' | 'wont-run' | 'wrong-version' | 'empty';
  /** Removes the archive's line from checksums.txt. */
  unlisted?: boolean;
  /** Milliseconds before every answer whose path ends in the key. */
  delay?: Record<string, number>;
};

export type ReleaseServer = {
  /** For RPORT_RELEASES_URL. */
  rportReleasesUrl: string;
  /** For TACOSCRIPT_RELEASES_URL. */
  tacoscriptReleasesUrl: string;
  /** A deposit's connect URL: an RPort server that answers, though not to plain HTTP. */
  connectUrl: string;
  /** Set to break the server, reassign `{}` to heal it. */
  faults: Faults;
  /** Every request so far, e.g. `GET /openrport/openrport/releases/latest`; empty it by `length = 0`. */
  requests: string[];
  close: () => Promise<void>;
};

export type ReleaseServerOptions = {
  /** Zip archives for Windows, which only the caller can make. */
  zips?: { rport?: Buffer; tacoscript?: Buffer };
};

/** The stand-in for the client as one release ships it. */
function rportStandin(version: string, arch = 'x86_64'): Buffer {
  return Buffer.from(STANDIN.replace('@VERSION@', version).replace('@ARCH@', arch));
}

/** A release archive of Linux holding the stand-in, for `-z`. */
export function rportArchive(version: string, arch = 'x86_64'): Buffer {
  return rportTar(rportStandin(version, arch));
}

function rportTar(client: Buffer): Buffer {
  return tarGz([
    { name: 'rport', mode: 0o755, content: client },
    { name: 'rport.example.conf', mode: 0o644, content: Buffer.from('[client]\n  server = "<YOUR_SERVER>"\n') },
  ]);
}

/** Starts a release page (rport and Tacoscript) that is an RPort server as well, on a free port of 127.0.0.1. */
export async function startReleaseServer(options: ReleaseServerOptions = {}): Promise<ReleaseServer> {
  const server = createServer((request, response) => {
    answer(release, options, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const release: ReleaseServer = {
    rportReleasesUrl: `${origin}${RPORT_PATH}`,
    tacoscriptReleasesUrl: `${origin}${TACOSCRIPT_PATH}`,
    connectUrl: `${origin}/`,
    faults: {},
    requests: [],
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
  return release;
}

async function answer(
  release: ReleaseServer,
  options: ReleaseServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = new URL(request.url ?? '/', release.connectUrl).pathname;
  release.requests.push(`${request.method} ${path}`);
  const delay = matching(release.faults.delay, path);
  if (delay !== undefined) await new Promise((resolve) => setTimeout(resolve, delay));
  const status = matching(release.faults.status, path);
  const project = [RPORT_PATH, TACOSCRIPT_PATH].find((prefix) => path.startsWith(prefix));
  if (status !== undefined) send(response, status, `no luck: ${status}\n`);
  else if (path === '/' || path === '/connect') send(response, path === '/' ? 404 : 426, 'not for HTTP\n');
  else if (project === undefined) serveAsset(release, options, path, response);
  else servePage(release, project, path.slice(project.length), response);
}

function matching<T>(rules: Record<string, T> | undefined, path: string): T | undefined {
  return Object.entries(rules ?? {}).find(([suffix]) => path.endsWith(suffix))?.[1];
}

/** The release page: like GitHub's, it redirects downloads to a place of its own. */
function servePage(release: ReleaseServer, project: string, rest: string, response: ServerResponse): void {
  const base = `${new URL(release.connectUrl).origin}${project}`;
  const tags = project === RPORT_PATH ? FEED : [`v${TACOSCRIPT_VERSION}`];
  const latest = project === RPORT_PATH ? RPORT_VERSIONS.stable : `v${TACOSCRIPT_VERSION}`;
  const [, kind, tag = '', name = ''] = rest.split('/');
  const known = tags.includes(tag);
  if (rest === '.atom') send(response, 200, feed(base, tags), 'application/atom+xml; charset=utf-8');
  else if (kind === 'latest') redirect(response, `${base}/tag/${latest}`);
  else if (kind === 'tag' && known) send(response, 200, `<html><title>${tag}</title></html>\n`);
  else if (kind === 'download' && known) redirect(response, `/assets/${tag}/${name}`);
  else send(response, 404, 'Not Found');
}

function feed(base: string, tags: readonly string[]): string {
  const entries = tags.map(
    (tag) => `  <entry>
    <id>tag:github.com,2008:Repository/1/${tag}</id>
    <updated>2026-01-02T03:04:05Z</updated>
    <link rel="alternate" type="text/html" href="${base}/tag/${tag}"/>
    <title>${tag}</title>
    <content type="html">&lt;p&gt;Notes&lt;/p&gt;</content>
  </entry>
`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-US">
  <id>tag:github.com,2008:${base}</id>
  <link type="text/html" rel="alternate" href="${base}"/>
  <link type="application/atom+xml" rel="self" href="${base}.atom"/>
  <title>Release notes</title>
${entries.join('')}</feed>
`;
}

function serveAsset(
  release: ReleaseServer,
  options: ReleaseServerOptions,
  path: string,
  response: ServerResponse,
): void {
  const [, , tag = '', name = ''] = path.split('/');
  const archives = assets(tag, options, release.faults.archive);
  const archive = archives.get(name);
  if (name === 'checksums.txt') send(response, 200, checksums(archives, release.faults), 'application/octet-stream');
  else if (archive === undefined) send(response, 404, 'Not Found');
  else sendArchive(response, archive, release.faults.archive);
}

function checksums(archives: Map<string, Buffer>, faults: Faults): string {
  const lines = [...archives].map(([name, content]) => `${sha256(content)}  ${name}\n`);
  return faults.unlisted ? lines.filter((line) => line.includes('_windows_')).join('') : lines.join('');
}

function sendArchive(response: ServerResponse, archive: Buffer, fault: Faults['archive']): void {
  const body = fault === 'tampered' ? Buffer.concat([archive, Buffer.from('\0')]) : archive;
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': body.length });
  if (fault === 'cut') response.write(body.subarray(0, body.length / 2), () => response.destroy());
  else response.end(body);
}

const built = new Map<string, Map<string, Buffer>>();

function assets(tag: string, options: ReleaseServerOptions, fault: Faults['archive']): Map<string, Buffer> {
  const key = `${tag} ${fault}`;
  const archives = built.get(key) ?? (tag.startsWith('v') ? tacoscriptAssets(tag.slice(1)) : rportAssets(tag, fault));
  built.set(key, archives);
  const [zip, name] = tag.startsWith('v')
    ? [options.zips?.tacoscript, `tacoscript_${tag.slice(1)}_windows_x86_64.zip`]
    : [options.zips?.rport, `rport_${tag}_windows_x86_64.zip`];
  return zip === undefined ? archives : new Map([...archives, [name, zip]]);
}

function rportAssets(version: string, fault: Faults['archive']): Map<string, Buffer> {
  return new Map(
    LINUX_ARCHS.map((arch) => [`rport_${version}_linux_${arch}.tar.gz`, rportAsset(version, arch, fault)]),
  );
}

function rportAsset(version: string, arch: string, fault: Faults['archive']): Buffer {
  if (fault === 'corrupt') return Buffer.from(`<html>not an archive of ${version} ${arch}</html>\n`);
  if (fault === 'wont-run') return rportTar(Buffer.from('#!/nonexistent/interpreter\n'));
  if (fault === 'wrong-version') return rportArchive('0.1.2', arch);
  if (fault === 'empty') return tarGz([{ name: 'README', mode: 0o644, content: Buffer.from('nothing here\n') }]);
  return rportArchive(version, arch);
}

function tacoscriptAssets(version: string): Map<string, Buffer> {
  const program = Buffer.from(`#!/bin/sh\necho 'tacoscript ${version}'\n`);
  return new Map(
    LINUX_ARCHS.map((arch) => [
      `tacoscript_${version}_linux_${arch}.tar.gz`,
      tarGz([{ name: 'tacoscript', mode: 0o755, content: program }]),
    ]),
  );
}

function send(response: ServerResponse, status: number, body: string, type = 'text/html; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location, 'content-type': 'text/html; charset=utf-8' }).end();
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

type TarEntry = { name: string; mode: number; content: Buffer };

/** A gzipped ustar archive, the same bytes for the same entries. */
function tarGz(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ name, mode, content }) => [
    tarHeader(name, mode, content.length),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]);
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

function tarHeader(name: string, mode: number, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(mode, 8), 100);
  header.write(octal(1001, 8), 108);
  header.write(octal(127, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(1767322800, 12), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
