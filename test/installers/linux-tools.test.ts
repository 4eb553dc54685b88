import { describe, expect, test } from 'vitest';
import { usePairings } from '../support/pairing.ts';
import { RPORT_VERSIONS } from '../support/release-server.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS } from '../support/root.ts';

const DOWNLOADERS = {
  'curl alone': 'rm /usr/bin/wget',
  'GNU wget alone': 'rm /usr/bin/curl',
  'busybox wget alone': 'rm /usr/bin/curl /usr/bin/wget; ln -s /usr/bin/busybox /usr/local/bin/wget',
};

const CHECKSUM_TOOLS = {
  sha256sum: 'rm /usr/bin/shasum /usr/bin/openssl',
  shasum: 'rm /usr/bin/sha256sum /usr/bin/openssl',
  openssl: 'rm /usr/bin/sha256sum /usr/bin/shasum',
  "busybox's sha256sum":
    'rm /usr/bin/sha256sum /usr/bin/shasum /usr/bin/openssl; ln -s /usr/bin/busybox /usr/local/bin/sha256sum',
};

describeWith(ROOT_TOOLS, 'the Linux installer makes do with', () => {
  const pairings = usePairings({ RPORT_VERSION: 'latest' });

  describe.each(Object.entries(DOWNLOADERS))('%s', (_, prepare) => {
    test.each([
      ['the newest stable release', [], RPORT_VERSIONS.stable],
      ['the newest release of any kind', ['-t'], RPORT_VERSIONS.unstable],
    ])('for %s, and Tacoscript', async (_name, flags, version) => {
      const root = await pairings.root();
      await root.sh(prepare);
      expect(await root.install(await pairings.installer(), ['-i', ...flags])).toMatchObject({ code: 0, stderr: '' });
      expect(await root.sh('rport --version; tacoscript')).toBe(` version ${version}\ntacoscript 0.0.9\n`);
    });

    test('and tells a tampered archive and a missing one', async () => {
      const root = await pairings.root();
      await root.sh(prepare);
      const before = root.snapshot();
      const script = await pairings.installer();
      pairings.release.faults = { archive: 'tampered' };
      expect(await root.install(script)).toMatchObject({ code: 7 });
      pairings.release.faults = { status: { 'x86_64.tar.gz': 404 } };
      expect(await root.install(script)).toMatchObject({ code: 6 });
      pairings.release.faults = {};
      expect(root.changes(before)).toEqual([]);
    });
  });

  test.each(Object.entries(CHECKSUM_TOOLS))('%s alone for the checksum', async (_, prepare) => {
    const root = await pairings.root();
    await root.sh(prepare);
    const script = await pairings.installer();
    pairings.release.faults = { archive: 'tampered' };
    expect(await root.install(script)).toMatchObject({ code: 7 });
    pairings.release.faults = {};
    expect(await root.install(script)).toMatchObject({ code: 0, stderr: '' });
  });

  test('no sudo: the flags of the web UI install all but the sudo rules, with a warning', async () => {
    const root = await pairings.root();
    await root.sh('rm -r /etc/sudoers.d /usr/bin/sudo /usr/sbin/visudo');
    const result = await root.install(await pairings.installer(), ['-x', '-s', '-r', '-b', '-i']);
    expect(result).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^rport installer: warning: no sudo here.*\n$/),
    });
    expect(await root.sh('ls /etc/sudoers.d 2>&1 || :')).toContain('No such file');
  });

  test('a /tmp that lets no program run', async () => {
    const root = await pairings.root();
    await root.sh('mount -t tmpfs -o noexec tmpfs /tmp');
    expect(await root.install(await pairings.installer())).toMatchObject({ code: 0, stderr: '' });
    expect(await root.sh('ls /tmp /var/tmp')).toBe('/tmp:\n\n/var/tmp:\n');
  });
});
