import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ReleaseServer, startReleaseServer } from '../support/release-server.ts';
import { describeWith } from '../support/requirements.ts';
import { deposit, PLAIN_DEPOSIT, type Service, startService } from '../support/service.ts';
import { build, createWine, MACHINE_UUID, type Wine } from '../support/windows.ts';
import { zip } from '../support/zip.ts';

const UI_FLAGS = ['-x', '-r', '-i'];

// wine 8 keeps no failure actions and knows one account only: that the installer asks for recovery and gives the service
// account its rights is proven with stand-ins.
describeWith(
  ['dotnet', 'flock', '/usr/lib/wine/wine64'],
  'the Windows installer under wine (recovery, -a and the exact access lists with stand-ins only)',
  () => {
    let release: ReleaseServer;
    let service: Service;
    let host: string;
    let wine: Wine;

    beforeAll(async () => {
      host = await build('host.cs', 'windows');
      const standin = await build('rport.cs', 'windows');
      const client = readFileSync(join(standin, 'rport.exe'));
      rmSync(standin, { recursive: true });
      release = await startReleaseServer({
        zips: {
          rport: zip([{ name: 'rport.exe', content: client }]),
          tacoscript: zip([{ name: 'tacoscript.exe', content: Buffer.from('tacoscript') }]),
        },
      });
      service = await startService({
        RPORT_RELEASES_URL: release.rportReleasesUrl,
        TACOSCRIPT_RELEASES_URL: release.tacoscriptReleasesUrl,
      });
      wine = await createWine(host);
    }, 600_000);
    afterAll(async () => {
      await wine?.stop();
      await service?.stop();
      await release?.close();
      if (host) rmSync(host, { recursive: true });
    });

    const fetchInstaller = async (fields = {}) => {
      const { url } = await deposit(service, { connect_url: release.connectUrl, ...fields });
      const started = await fetch(url, {
        headers: { 'user-agent': 'Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1237' },
      });
      return started.text();
    };

    test('installs a service that starts with Windows, runs and is connected; exit 5 twice; -f keeps the id; -u leaves nothing', async () => {
      const script = await fetchInstaller({ password: 'p\u2019w"$x`' });
      const before = readdirSync(wine.programFiles).sort();

      const start = performance.now();
      const first = await wine.runFile(script, UI_FLAGS);
      console.log(
        `install under wine: ${((performance.now() - start) / 1000).toFixed(1)} s, with download and waiting`,
      );
      expect(first.code, first.stderr).toBe(0);
      expect(first.stdout).toContain(`rport 0.9.14 is connected to ${release.connectUrl}`);
      expect(await wine.service()).toBe(
        'Running Auto LocalSystem "C:\\Program Files\\rport\\rport.exe" -c "C:\\Program Files\\rport\\rport.conf"\n',
      );
      const config = join(wine.programFiles, 'rport', 'rport.conf');
      const text = readFileSync(config, 'utf8');
      expect(parse(text)).toMatchObject({
        client: {
          server: release.connectUrl,
          fingerprint: PLAIN_DEPOSIT.fingerprint,
          auth: `${PLAIN_DEPOSIT.client_id}:p\u2019w"$x\``,
          id: MACHINE_UUID,
          data_dir: 'C:\\Program Files\\rport\\data',
        },
        'remote-commands': { enabled: true },
        'interpreter-aliases': { tacoscript: 'C:\\Program Files\\tacoscript\\tacoscript.exe' },
      });
      // wine maps the access list to Unix: nothing for others.
      for (const path of [
        config,
        join(wine.programFiles, 'rport', 'rport.log'),
        join(wine.programFiles, 'rport', 'data'),
      ]) {
        expect(statSync(path).mode & 0o007, path).toBe(0);
      }

      const second = await wine.runFile(script, UI_FLAGS);
      expect(second.code).toBe(5);
      expect(second.stderr).toContain('already installed');

      const forced = await wine.runFile(script, [...UI_FLAGS, '-f']);
      expect(forced.code, forced.stderr).toBe(0);
      expect(readFileSync(config, 'utf8')).toBe(text);

      const removed = await wine.runFile(script, ['-u']);
      expect(removed.code, removed.stderr).toBe(0);
      expect(removed.stdout).toContain('rport was removed');
      expect(await wine.service()).toBe('none\n');
      expect(readdirSync(wine.programFiles).sort()).toEqual(before);
    }, 600_000);

    test('takes the MachineGuid of the registry for a bad firmware id, and exit 9 with the reason of the log', async () => {
      const result = await wine.runFile(await fetchInstaller({ password: 'wrong-password' }), [], {
        STANDIN_UUID: '00000000-0000-0000-0000-000000000000',
      });
      expect(result.code, result.stderr).toBe(9);
      expect(result.stderr).toContain('Authentication failed');
      const config = parse(readFileSync(join(wine.programFiles, 'rport', 'rport.conf'), 'utf8'));
      expect(config).toMatchObject({ client: { id: await wine.machineGuid() } });
      expect((await wine.runFile(await fetchInstaller(), ['-u'])).code).toBe(0);
    }, 600_000);
  },
);
