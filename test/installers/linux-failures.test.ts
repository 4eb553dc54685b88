import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { usePairings } from '../support/pairing.ts';
import type { Faults } from '../support/release-server.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS, type Root, type ServiceManager } from '../support/root.ts';
import { freePort, PLAIN_DEPOSIT } from '../support/service.ts';

const ARCHIVE = 'rport_0.9.14_linux_x86_64.tar.gz';

/** Puts a program in front of the others of a root. */
function addProgram(root: Root, name: string, text: string): void {
  writeFileSync(`${root.path}/usr/local/bin/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

describeWith(ROOT_TOOLS, 'the Linux installer changes nothing and exits', () => {
  const pairings = usePairings();

  async function expectRefusal(root: Root, script: string, flags: string[], code: number, reason: string) {
    const before = root.snapshot();
    const result = await root.install(script, flags);
    expect(result).toMatchObject({ code, stderr: expect.stringContaining(reason) });
    expect(root.changes(before)).toEqual([]);
  }

  describe('2 when', () => {
    test.each([
      ['a flag is unknown', ['-q'], 'unknown flag -q'],
      ['a flag lacks its value', ['-a'], '-a needs a value'],
      ['there is an argument', ['-x', 'please'], 'unexpected argument'],
      ['an account name is none', ['-a', 'root;reboot'], 'not an account name'],
      ['an account name is an alias of sudo', ['-a', 'ALL'], 'not an account name'],
      ['an account name is too long', ['-a', 'a'.repeat(33)], 'at most 32'],
      ['a tag has other characters', ['-g', '"] #'], '-g: a tag'],
      ['a tag is too long', ['-g', 'a'.repeat(65)], 'at most 64'],
    ])('%s', async (_, flags, reason) => {
      await expectRefusal(await pairings.root(), await pairings.installer(), flags, 2, reason);
    });

    test('the script came without credentials', async () => {
      const script = await (await fetch(`${pairings.service.url}/uninstall.sh`)).text();
      const root = await pairings.root();
      expect((await root.install(script)).stdout).toContain('nothing to remove');
      await expectRefusal(root, script.replace("default_flags='u'", "default_flags=''"), [], 2, 'no credentials');
    });
  });

  test('3 when it is not run by root', async () => {
    const root = await pairings.root();
    const command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-s', '--'];
    for (const flags of [[], ['-u']]) {
      const result = await root.run([...command, ...flags], { input: await pairings.installer() });
      expect(result).toMatchObject({ code: 3, stderr: expect.stringContaining('sudo') });
    }
    expect(root.changes()).toEqual([]);
  });

  describe('4 when', () => {
    test.each([
      ['riscv64', 'architecture (riscv64)'],
      ['ppc64le', 'architecture (ppc64le)'],
    ])('there is no client for the architecture %s', async (machine, reason) => {
      const root = await pairings.root();
      addProgram(root, 'uname', `[ "$1" = -s ] && echo Linux || echo ${machine}`);
      await expectRefusal(root, await pairings.installer(), [], 4, reason);
    });

    test('the system is not Linux', async () => {
      const root = await pairings.root();
      addProgram(root, 'uname', 'echo Darwin');
      await expectRefusal(root, await pairings.installer(), [], 4, 'not Linux');
    });

    test('no service manager runs', async () => {
      await expectRefusal(await pairings.root('none'), await pairings.installer(), [], 4, 'no service manager');
    });

    test.each([
      ['curl wget', '/usr/bin/curl /usr/bin/wget'],
      ['sha256sum shasum openssl', '/usr/bin/sha256sum /usr/bin/shasum /usr/bin/openssl'],
      ['tar', '/usr/bin/tar'],
      ['useradd adduser', '/usr/sbin/useradd /usr/sbin/adduser'],
    ])('%s is missing, which it names', async (tools, files) => {
      const root = await pairings.root();
      await root.sh(`rm ${files}`);
      await expectRefusal(root, await pairings.installer(), [], 4, `missing tool: ${tools}`);
    });

    test('the downloaded client does not run on the machine', async () => {
      await expectFault({ archive: 'wont-run' }, 4, 'does not run');
    });
  });

  async function expectFault(faults: Faults, code: number, reason: string, flags: string[] = []) {
    const root = await pairings.root();
    const script = await pairings.installer();
    pairings.release.faults = faults;
    try {
      await expectRefusal(root, script, flags, code, reason);
    } finally {
      pairings.release.faults = {};
    }
  }

  describe('6 when', () => {
    test.each<[string, Faults, string, string[]?]>([
      ['the archive is not there', { status: { [ARCHIVE]: 404 } }, `could not download`],
      ['the download server fails', { status: { [ARCHIVE]: 500 } }, `could not download`],
      ['the checksums are not there', { status: { 'checksums.txt': 404 } }, 'checksums.txt'],
      ['the feed of releases is not there', { status: { 'releases.atom': 404 } }, 'releases.atom', ['-t']],
      ['the connection breaks off', { archive: 'cut' }, 'could not download'],
      ['the archive is none', { archive: 'corrupt' }, 'damaged'],
      ['the archive holds no client', { archive: 'empty' }, 'damaged'],
      ['the archive holds another version', { archive: 'wrong-version' }, 'holds rport 0.1.2 instead'],
    ])('%s', async (_, faults, reason, flags) => {
      await expectFault(faults, 6, reason, flags);
    });

    test('a package given by -z cannot be had', async () => {
      const root = await pairings.root();
      await expectRefusal(root, await pairings.installer(), ['-z', '/none.tar.gz'], 6, 'could not read /none.tar.gz');
    });
  });

  describe('7 when', () => {
    test.each<[string, Faults]>([
      ['the archive does not have its checksum', { archive: 'tampered' }],
      ['the checksums do not list the archive', { unlisted: true }],
    ])('%s', async (_, faults) => {
      await expectFault(faults, 7, 'checksum');
    });
  });

  test('8 when the server cannot be reached, by curl and by wget', async () => {
    const script = await pairings.installer({ connect_url: `http://127.0.0.1:${await freePort()}` });
    const root = await pairings.root();
    await expectRefusal(root, script, [], 8, 'is not reachable');
    await root.sh('rm /usr/bin/curl');
    await expectRefusal(root, script, [], 8, 'is not reachable');
  });

  test.each(['ws', 'http'])('not 8 for a server that answers anything to %s', async (scheme) => {
    const url = pairings.release.connectUrl.replace('http', scheme);
    expect(await (await pairings.root()).install(await pairings.installer({ connect_url: url }))).toMatchObject({
      code: 0,
    });
  });

  test.each(['HUP', 'INT', 'TERM'])('by its signal when SIG%s comes during the download', async (signal) => {
    const root = await pairings.root();
    const script = await pairings.installer();
    pairings.release.faults = { delay: { [ARCHIVE]: 2000 } };
    pairings.release.requests.length = 0;
    const running = root.run(['sh', '-c', 'echo $$ >/run/installer; exec sh -s'], { input: script });
    while (!pairings.release.requests.some((request) => request.endsWith(ARCHIVE))) await pause(20);
    await root.sh(`kill -s ${signal} $(cat /run/installer)`);
    const { code } = await running;
    pairings.release.faults = {};
    expect(code).toBe({ HUP: 129, INT: 130, TERM: 143 }[signal]);
    expect(root.changes()).toEqual([]);
  });
});

describeWith(ROOT_TOOLS, 'the Linux installer exits 9, installed but not connected, and tells that', () => {
  const pairings = usePairings();

  // Side by side, since most of them wait for half a minute.
  test.concurrent.each([
    ['the credentials are wrong', { password: 'wrong-password' }, 'Authentication failed'],
    [
      'the fingerprint is another',
      { fingerprint: PLAIN_DEPOSIT.fingerprint.replace('2a:c8', 'ff:ff') },
      'invalid fingerprint (2a:c8',
    ],
    ['the websocket is refused', { password: 'bad-handshake' }, 'websocket: bad handshake'],
    ['the client id is in use', { password: 'client-id-in-use' }, 'is already in use'],
    ['the auth id is in use', { password: 'auth-id-in-use' }, 'client auth ID is already in use'],
    ['nothing happens', { password: 'never-connects' }, 'starting, connecting to'],
    ['the client crashes', { password: 'crashes' }, 'panic: runtime error'],
    ['the client has logged nothing', { password: 'no-log' }, 'the client has logged nothing'],
  ])('%s', async (_, fields, reason) => {
    const root = await pairings.root();
    const result = await root.install(await pairings.installer(fields));
    expect(result).toMatchObject({ code: 9, stderr: expect.stringContaining(reason) });
    expect(result.stderr).toContain('installed, but not connected');
    expect(await root.sh('ls /etc/rport/rport.conf /usr/local/bin/rport /etc/init.d/rport')).toContain('rport.conf');
  });

  test('nothing, for one that connects late', async () => {
    const root = await pairings.root();
    expect(await root.install(await pairings.installer({ password: 'connects-late' }))).toMatchObject({ code: 0 });
  });

  test.each(['mkfifo', 'mkdir'])(
    'nothing, where the account has put something else in the place of the state: %s',
    async (make) => {
      const root = await pairings.root();
      await root.install(await pairings.installer());
      await root.sh(`rc-service -q rport stop; rm /var/lib/rport/state.json; ${make} /var/lib/rport/state.json`);
      expect(await root.install(await pairings.installer(), ['-f'])).toMatchObject({ code: 0, stderr: '' });
    },
  );

  test('the old state of a connection proves nothing', async () => {
    const root = await pairings.root();
    await root.install(await pairings.installer());
    const result = await root.install(await pairings.installer({ password: 'wrong-password' }), ['-f']);
    expect(result).toMatchObject({ code: 9, stderr: expect.stringContaining('Authentication failed') });
  });
});

/** What changes the machine, besides the client's own `--service`. */
const CHANGING_PROGRAMS = [
  'mktemp',
  'mkdir',
  'chown',
  'chmod',
  'mv',
  'cp',
  'tar',
  'useradd',
  'visudo',
  'rc-update',
  'rc-service',
];

/** Puts programs in front of those of the root that count their calls and misbehave at the call /run/at. */
async function addFaultyPrograms(root: Root): Promise<void> {
  await root.sh(`
    mkdir /run/faulty
    for name in ${CHANGING_PROGRAMS.join(' ')}; do
      real=$(command -v "$name") || continue
      cat >"/run/faulty/$name" <<EOF
#!/bin/sh
# The client calls them too, as another user; its calls are no step of the installer.
[ -w /run/count ] || exec $real "\\$@"
read -r count </run/count
read -r at </run/at
read -r how </run/how
echo \\$((count + 1)) >/run/count
if [ \\$((count + 1)) -eq "\\$at" ]; then
  case \\$how in
  fails) exit 1 ;;
  *) kill -s TERM "\\$(cat /run/installer)" ;;
  esac
fi
exec $real "\\$@"
EOF
      chmod 755 "/run/faulty/$name"
    done`);
}

/** Each of them runs the installer some sixty times. */
const STEPS_TIMEOUT = 600_000;

const WITH_FAULTY_PROGRAMS = 'echo $$ >/run/installer; PATH=/run/faulty:$PATH exec sh -s -- "$@"';

describeWith(ROOT_TOOLS, 'whatever step of the Linux installer', () => {
  const pairings = usePairings();

  /** Runs the installer with its n-th step broken, for each n until there are fewer steps; `check` looks at each result. */
  async function breakEachStep(
    root: Root,
    how: 'fails' | 'is interrupted',
    script: string,
    flags: string[],
    check: (result: { code: number | null; stderr: string }, step: number) => Promise<void>,
  ): Promise<number> {
    await addFaultyPrograms(root);
    for (let step = 1; ; step += 1) {
      await root.sh(`echo 0 >/run/count; echo ${step} >/run/at; echo '${how}' >/run/how`);
      const result = await root.run(['sh', '-c', WITH_FAULTY_PROGRAMS, 'sh', ...flags], { input: script });
      if (Number(await root.sh('cat /run/count')) < step) {
        expect(result.code, result.stderr).toBe(0);
        return step - 1;
      }
      await check(result, step);
    }
  }

  test.each<[string, ServiceManager, 'fails' | 'is interrupted']>([
    ['fails', 'openrc', 'fails'],
    ['fails', 'init', 'fails'],
    ['is interrupted', 'openrc', 'is interrupted'],
  ])(
    '%s: a fresh install leaves the machine as it was (%s)',
    async (_, manager, how) => {
      const root = await pairings.root(manager);
      const before = root.snapshot();
      const script = await pairings.installer();
      const steps = await breakEachStep(
        root,
        how,
        script,
        ['-x', '-s', '-r', '-b', '-i'],
        async ({ code, stderr }, step) => {
          if (code === 0) expect(await root.install(script, ['-u'])).toMatchObject({ code: 0 });
          else if (how === 'is interrupted') expect(code, stderr).toBe(143);
          expect(root.changes(before), `step ${step}: ${stderr}`).toEqual([]);
        },
      );
      expect(steps).toBeGreaterThan(30);
    },
    STEPS_TIMEOUT,
  );

  test.each(['fails', 'is interrupted'] as const)(
    '%s: a forced install puts the old one back, and it runs',
    async (how) => {
      const root = await pairings.root();
      const old = await pairings.installer({ password: 'the old password' });
      await root.install(old, ['-x', '-s']);
      let before = root.snapshot();
      const script = await pairings.installer({ password: 'the new password' });
      const steps = await breakEachStep(
        root,
        how,
        script,
        ['-f', '-r', '-b', '-i', '-a', 'deploy'],
        async ({ code, stderr }, step) => {
          if (code === 0) {
            // It found another way, or did without Tacoscript.
            await root.install(old, ['-f', '-x', '-s']);
            before = root.snapshot();
          }
          const changes = root.changes(before).filter((change) => !/ \/var\/(lib|log)\/rport\//.test(change));
          expect(changes, `step ${step}: ${stderr}`).toEqual([]);
          expect(await root.sh('rc-service rport status'), `step ${step}: ${stderr}`).toContain('started');
          await root.sh('until grep -q connected /var/lib/rport/state.json; do sleep 0.1; done');
        },
      );
      expect(steps).toBeGreaterThan(30);
    },
    STEPS_TIMEOUT,
  );
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
