import { expect, test } from 'vitest';
import { usePairings } from '../support/pairing.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS } from '../support/root.ts';

/** What the older installers leave on a machine, without the account. */
const OLDER_INSTALL = `
  mkdir -p /etc/rport /var/lib/rport/scripts /var/log/rport /etc/apt/sources.list.d /etc/yum.repos.d
  echo '[client]' >/etc/rport/rport.conf
  echo 'old client' >/usr/local/bin/rport
  echo log >/var/log/rport/rport.log
  echo unit >/etc/systemd/system/rport.service
  ln -s /etc/systemd/system/rport.service /etc/systemd/system/multi-user.target.wants/rport.service
  for name in all-cmd update-status filereception; do echo '# rules' >/etc/sudoers.d/rport-$name; done
  echo 'deb https://repo.example.com/ bookworm main' >/etc/apt/sources.list.d/rport.list
  echo '[rport]' >/etc/yum.repos.d/rport.repo`;

describeWith(ROOT_TOOLS, 'the Linux uninstaller', () => {
  const pairings = usePairings();

  async function uninstaller(): Promise<string> {
    return (await fetch(`${pairings.service.url}/uninstall.sh`)).text();
  }

  test('needs no pairing code and takes no flag to uninstall', async () => {
    const root = await pairings.root();
    await root.install(await pairings.installer(), ['-x', '-s', '-r', '-b', '-i']);
    const result = await root.install(await uninstaller());
    expect(result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('rport was removed') });
    expect(root.changes()).toEqual([]);
  });

  test('is fine when nothing is installed', async () => {
    const root = await pairings.root();
    const result = await root.install(await uninstaller());
    expect(result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('nothing to remove') });
    expect(root.changes()).toEqual([]);
  });

  test('removes what the older installers made, with their account', async () => {
    const root = await pairings.root();
    await root.sh('mkdir -p /etc/yum.repos.d');
    const before = root.snapshot();
    await root.sh(OLDER_INSTALL);
    await root.sh(
      'useradd -r -d /var/lib/rport -m -s /bin/false -U rport; chown -R rport: /var/lib/rport /var/log/rport',
    );
    expect(await root.install(await uninstaller())).toMatchObject({ code: 0, stderr: '' });
    expect(root.changes(before)).toEqual([]);
  });

  test('keeps a user of the name rport whose home is another', async () => {
    const root = await pairings.root();
    await root.sh('mkdir -p /etc/yum.repos.d; useradd -m rport');
    const before = root.snapshot();
    await root.sh(OLDER_INSTALL);
    expect(await root.install(await uninstaller())).toMatchObject({ code: 0, stderr: '' });
    expect(root.changes(before)).toEqual([]);
  });

  test('purges the deb package of the older installers', async () => {
    const root = await pairings.root();
    const before = root.snapshot();
    await root.sh(`
      mkdir -p /run/deb/DEBIAN /run/deb/usr/bin /run/deb/etc/rport /run/deb/lib/systemd/system
      printf 'Package: rport\\nVersion: 0.9.0\\nArchitecture: all\\nMaintainer: nobody\\nDescription: client\\n' >/run/deb/DEBIAN/control
      echo /etc/rport/rport.conf >/run/deb/DEBIAN/conffiles
      echo '[client]' >/run/deb/etc/rport/rport.conf
      echo client >/run/deb/usr/bin/rport
      echo unit >/run/deb/lib/systemd/system/rport.service
      dpkg-deb --root-owner-group -b /run/deb /run/rport.deb >/dev/null
      dpkg -i /run/rport.deb >/dev/null`);
    expect(await root.sh('cat /usr/bin/rport')).toBe('client\n');
    expect(await root.install(await uninstaller())).toMatchObject({ code: 0, stderr: '' });
    expect(await root.sh('dpkg -s rport 2>&1 || :')).toContain('is not installed');
    const rest = root.changes(before).filter((change) => !/ \/var\/(lib\/dpkg|log\/dpkg|cache)/.test(change));
    expect(rest).toEqual([]);
  });

  test('an install over the deb package needs -f', async () => {
    const root = await pairings.root();
    await root.sh('echo client >/usr/bin/rport');
    const script = await pairings.installer();
    expect(await root.install(script)).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('/usr/bin/rport exists'),
    });
    expect(await root.install(script, ['-f'])).toMatchObject({ code: 0 });
  });

  test('ends what the server has started under an account that it deletes', async () => {
    const root = await pairings.root();
    await root.install(await pairings.installer());
    await root.sh('setpriv --reuid=rport --clear-groups sleep 1000 >/dev/null 2>&1 &');
    expect(await root.install(await uninstaller())).toMatchObject({ code: 0, stderr: '' });
    expect(await root.sh('ps -e -o args= | grep -c "^sleep 1000" || :')).toBe('0\n');
    expect(root.changes()).toEqual([]);
  });

  test('ends even what keeps starting more, and takes back its sudo rules', async () => {
    const root = await pairings.root();
    await root.install(await pairings.installer(), ['-x', '-s']);
    await root.sh(`printf 'sleep .02; sh /run/more.sh &\\n' >/run/more.sh
      for i in 1 2 3; do setpriv --reuid=rport --clear-groups sh /run/more.sh >/dev/null 2>&1 & done`);
    expect(await root.install(await uninstaller())).toMatchObject({ code: 0, stderr: '' });
    expect(root.changes()).toEqual([]);
  });

  test('leaves a machine alone that the RPort server runs on, as the installer does', async () => {
    const root = await pairings.root();
    await root.sh(
      'mkdir -p /etc/rport /var/lib/rport; echo "[server]" >/etc/rport/rportd.conf; echo data >/var/lib/rport/jobs.db',
    );
    const before = root.snapshot();
    for (const script of [await uninstaller(), await pairings.installer()]) {
      const result = await root.install(script);
      expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining('the RPort server is on this machine') });
      expect(root.changes(before)).toEqual([]);
    }
  });
});
