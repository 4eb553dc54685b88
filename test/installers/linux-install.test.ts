import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { usePairings } from '../support/pairing.ts';
import { RPORT_VERSIONS, rportArchive } from '../support/release-server.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS, type Root, SHELL_NAMES } from '../support/root.ts';
import { PLAIN_DEPOSIT } from '../support/service.ts';

const UI_FLAGS = ['-x', '-s', '-r', '-b', '-i'];
const MACHINE_ID = '0123456789abcdef0123456789abcdef';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-s', '--'];

/** All that an install with the flags of the web UI leaves behind; the account gets the first free system id. */
const INSTALLED = [
  '+ /etc/init.d/rport file 755 0:0',
  '+ /etc/rport directory 755 0:0',
  '+ /etc/rport/.installer file 644 0:0',
  '+ /etc/rport/rport.conf file 600 997:997',
  '+ /etc/runlevels/default/rport link to /etc/init.d/rport',
  '+ /etc/sudoers.d/rport-all-cmd file 440 0:0',
  '+ /etc/sudoers.d/rport-filereception file 440 0:0',
  '+ /etc/sudoers.d/rport-update-status file 440 0:0',
  '+ /usr/local/bin/rport file 755 0:0',
  '+ /usr/local/bin/tacoscript file 755 0:0',
  '+ /var/lib/rport directory 750 997:997',
  '+ /var/lib/rport/scripts directory 755 997:997',
  '+ /var/lib/rport/state.json file 644 997:997',
  '+ /var/log/rport directory 750 997:997',
  '+ /var/log/rport/rport.log file 644 997:997',
  '~ /etc/group file 644 0:0',
  '~ /etc/gshadow file 640 0:42',
  '~ /etc/passwd file 644 0:0',
  '~ /etc/shadow file 640 0:42',
];

function read(root: Root, path: string): string {
  return readFileSync(`${root.path}${path}`, 'utf8');
}

function configOf(root: Root) {
  return parse(read(root, '/etc/rport/rport.conf'));
}

/** What a command prints when the account `rport` runs it. */
function asAccount(root: Root, command: string): Promise<string> {
  return root.sh(`su -s /bin/sh rport -c '${command} 2>&1' || [ $? -eq 1 ]`);
}

function accountsOfClient(root: Root): Promise<string> {
  return root.sh('ps -e -o user=,args= | sed -n "s| */bin/sh /usr/local/bin/rport -[c].*||p" | sort -u');
}

describeWith(ROOT_TOOLS, 'the Linux installer', () => {
  const pairings = usePairings();

  describe.each(SHELL_NAMES)('run by %s', (shell) => {
    test('installs, refuses to do it twice, does it again with -f, and leaves nothing after -u', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();

      const first = await root.install(script, UI_FLAGS, shell);
      expect(first).toMatchObject({ code: 0, stderr: '' });
      expect(first.stdout).toContain(`rport 0.9.14 is connected to ${pairings.release.connectUrl}`);
      expect(root.changes()).toEqual(INSTALLED);
      expect(configOf(root)).toMatchObject({
        client: {
          server: pairings.release.connectUrl,
          fingerprint: PLAIN_DEPOSIT.fingerprint,
          auth: `${PLAIN_DEPOSIT.client_id}:${PLAIN_DEPOSIT.password}`,
          id: MACHINE_ID,
        },
        'remote-commands': { enabled: true, allow: ['.*'], deny: [] },
        'remote-scripts': { enabled: true },
        'file-reception': { enabled: true },
        'interpreter-aliases': { bash: '/usr/bin/bash', tacoscript: '/usr/local/bin/tacoscript' },
      });

      const installed = root.snapshot();
      const second = await root.install(script, UI_FLAGS, shell);
      expect(second).toMatchObject({ code: 5, stdout: '' });
      expect(second.stderr).toContain('already installed');
      expect(root.changes(installed)).toEqual([]);

      const before = read(root, '/etc/rport/rport.conf');
      const forced = await root.install(script, [...UI_FLAGS, '-f'], shell);
      expect(forced).toMatchObject({ code: 0, stderr: '' });
      expect(read(root, '/etc/rport/rport.conf')).toBe(before);
      // The client itself has written a new state, and more into its log.
      expect(root.changes(installed)).toEqual([
        '~ /var/lib/rport/state.json file 644 997:997',
        '~ /var/log/rport/rport.log file 644 997:997',
      ]);

      const uninstalled = await root.install(script, ['-u'], shell);
      expect(uninstalled).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('rport was removed') });
      expect(root.changes()).toEqual([]);
    });
  });

  describe('flags', () => {
    test.each([
      ['-h', /FLAGS/],
      ['-v', /^installer \d+\.\d+\.\d+\nrport is not installed\n$/],
    ])('%s needs no privilege, prints and exits 0', async (flag, output) => {
      const root = await pairings.root();
      const result = await root.run([...AS_NOBODY, flag], { input: await pairings.installer() });
      expect(result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(output) });
      expect(root.changes()).toEqual([]);
    });

    test('-h names every flag, in 80 columns', async () => {
      const root = await pairings.root();
      const { stdout } = await root.install(await pairings.installer(), ['-h']);
      for (const flag of 'hfvtuxsarbigdznclp') expect(stdout).toMatch(new RegExp(`-${flag}\\b`));
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    });

    test('-v tells the version of the installed client', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script);
      expect((await root.install(script, ['-v'])).stdout).toMatch(/\nrport 0\.9\.14\n$/);
    });

    test('-n tells what would be done, as anyone, and changes nothing', async () => {
      const root = await pairings.root();
      const result = await root.run([...AS_NOBODY, '-n', ...UI_FLAGS], { input: await pairings.installer() });
      expect(result).toMatchObject({ code: 0, stderr: '' });
      for (const path of [
        '/usr/local/bin/rport',
        '/etc/rport/rport.conf',
        '/etc/sudoers.d/rport-all-cmd',
        '/etc/init.d/rport',
      ])
        expect(result.stdout).toContain(`would write ${path}\n`);
      expect(result.stdout).not.toContain(PLAIN_DEPOSIT.password);
      expect(root.changes()).toEqual([]);
    });

    test('-n -u tells what would be removed and removes nothing', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script);
      const installed = root.snapshot();
      const result = await root.install(script, ['-n', '-u']);
      expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('would remove /usr/local/bin/rport\n') });
      expect(root.changes(installed)).toEqual([]);
      expect(await root.sh('rc-service rport status')).toContain('started');
    });

    test('without any, the server may run nothing, send nothing, and the only sudo rule is that for updates', async () => {
      const root = await pairings.root();
      expect(await root.install(await pairings.installer())).toMatchObject({ code: 0, stderr: '' });
      expect(configOf(root)).toMatchObject({
        'remote-commands': { enabled: false, allow: [], deny: [] },
        'remote-scripts': { enabled: false },
        'file-reception': { enabled: false },
      });
      expect(await root.sh('ls /etc/sudoers.d')).toBe('README\nrport-update-status\n');
      expect(await root.sh('sudo -l -U rport')).toMatch(
        /NOPASSWD: \/usr\/bin\/apt-get update -o Debug\\:\\:NoLocking\\=true\n$/,
      );
      expect(await asAccount(root, 'sudo -n id -u')).toContain('password is required');
      // Its own apt.conf would make it root.
      const update = 'sudo -n APT_CONFIG=/tmp/apt.conf /usr/bin/apt-get update -o Debug::NoLocking=true';
      expect(await asAccount(root, update)).toContain('not allowed to set');
    });

    test('-s gives the account full root by sudo', async () => {
      const root = await pairings.root();
      await root.install(await pairings.installer(), ['-s']);
      expect(await asAccount(root, 'sudo -n id -u')).toBe('0\n');
    });

    test('-r -b gives it chown and mv of received files, -b alone nothing', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script, ['-b']);
      expect(await root.sh('ls /etc/sudoers.d')).toBe('README\nrport-update-status\n');
      await root.install(script, ['-f', '-r', '-b']);
      const received = '/var/lib/rport/filepush/1_rport_filepush';
      await root.sh(`mkdir -p /var/lib/rport/filepush && echo hello >${received}`);
      expect(await asAccount(root, `sudo -n /usr/bin/chown root ${received}`)).toBe('');
      expect(await asAccount(root, `sudo -n /usr/bin/mv ${received} /etc/received`)).toBe('');
      expect(read(root, '/etc/received')).toBe('hello\n');
      expect(await asAccount(root, 'sudo -n id -u')).toContain('password is required');
    });

    test('a later install with fewer flags takes back the sudo rules of the earlier one', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script, UI_FLAGS);
      await root.install(script, ['-f']);
      expect(await root.sh('ls /etc/sudoers.d')).toBe('README\nrport-update-status\n');
      expect(configOf(root)).toMatchObject({ 'remote-commands': { enabled: false } });
    });

    test('-a USER adds the account, gives it service, files and sudo rules, and -u takes it away again', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      expect(await root.install(script, ['-a', 'deploy', '-s'])).toMatchObject({ code: 0, stderr: '' });
      expect(await root.sh('stat -c "%U:%G %a" /etc/rport/rport.conf /var/lib/rport /var/log/rport/rport.log')).toBe(
        'deploy:deploy 600\ndeploy:deploy 750\ndeploy:deploy 644\n',
      );
      expect(await accountsOfClient(root)).toBe('deploy\n');
      expect(read(root, '/etc/sudoers.d/rport-all-cmd')).toBe('deploy ALL=(ALL) NOPASSWD: ALL\n');
      expect(await root.sh('getent passwd rport || echo none')).toBe('none\n');
      await root.install(script, ['-u']);
      expect(root.changes()).toEqual([]);
    });

    test('-a of an account that exists leaves it on the machine after -u', async () => {
      const root = await pairings.root();
      await root.sh('useradd -m alice');
      const before = root.snapshot();
      const script = await pairings.installer();
      expect(await root.install(script, ['-a', 'alice'])).toMatchObject({ code: 0, stderr: '' });
      await root.install(script, ['-u']);
      expect(root.changes(before)).toEqual([]);
    });

    test('another account at a later install takes over what the first one wrote', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script);
      expect(await root.install(script, ['-f', '-a', 'deploy'])).toMatchObject({ code: 0, stderr: '' });
      expect(await root.sh('find /var/lib/rport /var/log/rport /etc/rport/rport.conf ! -user deploy')).toBe('');
      await root.install(script, ['-u']);
      expect(root.changes()).toEqual([]);
    });

    test('-a root allows root in the configuration and says what that means', async () => {
      const root = await pairings.root();
      const result = await root.install(await pairings.installer(), ['-a', 'root', '-s']);
      expect(result).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('who controls the server controls this machine'),
      });
      expect(configOf(root)).toMatchObject({ client: { allow_root: true } });
      expect(await root.sh('ls /etc/sudoers.d')).toBe('README\n');
    });

    test('-i keeps a Tacoscript that was there before, and -u does so too', async () => {
      const root = await pairings.root();
      await root.sh('echo mine >/usr/local/bin/tacoscript');
      const before = root.snapshot();
      const script = await pairings.installer();
      const result = await root.install(script, ['-i']);
      expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('tacoscript exists already') });
      await root.install(script, ['-u']);
      expect(root.changes(before)).toEqual([]);
    });

    test('-i without a reachable download is a warning', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      pairings.release.faults = { status: { 'tacoscript_0.0.9_linux_x86_64.tar.gz': 404 } };
      const result = await root.install(script, ['-i']);
      pairings.release.faults = {};
      expect(result).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('warning: Tacoscript is not installed'),
      });
    });

    test('-g tags the client, repeatedly', async () => {
      const root = await pairings.root();
      await root.install(await pairings.installer(), ['-g', 'New York', '-g', 'web/1:2']);
      expect(configOf(root)).toMatchObject({ client: { tags: ['New York', 'web/1:2'] } });
    });

    test('-d gives a random id instead of the machine id, and later installs keep it', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script);
      await root.install(script, ['-f', '-d']);
      const { id } = configOf(root).client as { id: string };
      expect(id).toMatch(UUID);
      for (const flags of [['-f', '-d'], ['-f']]) {
        await root.install(script, flags);
        expect(configOf(root)).toMatchObject({ client: { id } });
      }
    });

    test('an id that the user has set is kept', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      await root.install(script);
      await root.sh(`sed -i "s/^id = .*/  id='web server 1' # mine/" /etc/rport/rport.conf`);
      await root.install(script, ['-f']);
      expect(configOf(root)).toMatchObject({ client: { id: 'web server 1' } });
    });

    test('-t installs the newest release of any kind', async () => {
      const root = await pairings.root();
      expect(await root.install(await pairings.installer(), ['-t'])).toMatchObject({ code: 0, stderr: '' });
      expect(await root.sh('rport --version')).toContain(RPORT_VERSIONS.unstable);
    });

    test('-z takes a package from a local path or a URL, and says that it is not verified', async () => {
      const root = await pairings.root();
      const script = await pairings.installer();
      writeFileSync(`${root.path}/root/own package.tar.gz`, rportArchive('0.9.99'));
      const local = await root.install(script, ['-z', '/root/own package.tar.gz']);
      expect(local).toMatchObject({ code: 0, stderr: expect.stringContaining('is not verified') });
      expect(await root.sh('rport --version')).toContain('0.9.99');
      const url = `${pairings.release.rportReleasesUrl}/download/0.9.13/rport_0.9.13_linux_x86_64.tar.gz`;
      expect(await root.install(script, ['-f', '-z', url])).toMatchObject({ code: 0 });
      expect(await root.sh('rport --version')).toContain('0.9.13');
    });

    test('-c -l -p are taken and have no effect', async () => {
      const root = await pairings.root();
      expect(await root.install(await pairings.installer(), ['-clp'])).toMatchObject({ code: 0, stderr: '' });
    });

    test('flags of the URL are the defaults, and those of the command line are added', async () => {
      const root = await pairings.root();
      const script = await pairings.installer({}, '?x&a=deploy&g=one');
      expect(await root.install(script, ['-r', '-g', 'two'])).toMatchObject({ code: 0, stderr: '' });
      expect(configOf(root)).toMatchObject({
        client: { tags: ['one', 'two'] },
        'remote-commands': { enabled: true },
        'file-reception': { enabled: true },
      });
      expect(await accountsOfClient(root)).toBe('deploy\n');
    });
  });

  test.each([
    [
      'the machine id of D-Bus',
      'rm /etc/machine-id; echo fedcba9876543210fedcba9876543210 >/var/lib/dbus/machine-id',
      /^(fedcba9876543210){2}$/,
    ],
    ['a random one', 'rm -f /etc/machine-id /var/lib/dbus/machine-id', UUID],
  ])('without /etc/machine-id the client id is %s', async (_, text, id) => {
    const root = await pairings.root();
    await root.sh(text);
    await root.install(await pairings.installer());
    expect(configOf(root)).toMatchObject({ client: { id: expect.stringMatching(id) } });
  });

  test('names private and public network cards for monitoring, and not those of containers', async () => {
    const root = await pairings.root();
    const cards = [
      '1: lo    inet 127.0.0.1/8 scope host lo',
      '2: docker0    inet 172.17.0.1/16 scope global docker0',
      '3: enp3s0    inet 192.168.1.5/24 brd 192.168.1.255 scope global enp3s0',
      '4: eth1    inet 203.0.113.7/24 scope global eth1',
    ];
    writeFileSync(`${root.path}/usr/local/bin/ip`, `#!/bin/sh\ncat <<'EOF'\n${cards.join('\n')}\nEOF\n`, {
      mode: 0o755,
    });
    await root.install(await pairings.installer());
    expect(configOf(root)).toMatchObject({ monitoring: { net_lan: ['enp3s0', '1000'], net_wan: ['eth1', '1000'] } });
  });

  test('a service on a machine with neither systemd nor OpenRC is set up by the client itself', async () => {
    const root = await pairings.root('init');
    const before = root.snapshot();
    const script = await pairings.installer();
    for (const flags of [['-x'], ['-x', '-f']]) {
      expect(await root.install(script, flags)).toMatchObject({ code: 0, stderr: '' });
      expect(await root.sh('/etc/init.d/rport status')).toBe('Running\n');
    }
    expect(await root.install(script, ['-u'])).toMatchObject({ code: 0, stderr: '' });
    expect(root.changes(before)).toEqual([]);
  });
});

describeWith(ROOT_TOOLS, 'the Linux installer of a service with RPORT_VERSION=latest', () => {
  const pairings = usePairings({ RPORT_VERSION: 'latest' });

  test('installs the newest stable release', async () => {
    const root = await pairings.root();
    expect(await root.install(await pairings.installer())).toMatchObject({ code: 0, stderr: '' });
    expect(await root.sh('rport --version')).toContain(RPORT_VERSIONS.stable);
  });
});
