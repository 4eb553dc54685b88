import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootContainer, type Container } from '../support/container.ts';
import { usePairings } from '../support/pairing.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS } from '../support/root.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The command of the README that deposits by curl, with the address and the connect URL of this run. */
function depositCommand(serviceUrl: string, connectUrl: string): string {
  const [command] = /curl -sS http:\/\/localhost:8080 -H [^`]*\nEOF\n/.exec(README) ?? [''];
  expect(command).toContain('"password"');
  return command
    .replace('http://localhost:8080', serviceUrl)
    .replace(/"connect_url": "[^"]*"/, `"connect_url": "${connectUrl}"`);
}

describeWith([...ROOT_TOOLS, 'systemd-nspawn', 'curl'], 'on a real machine with systemd', () => {
  const pairings = usePairings();
  let machine: Container;
  beforeAll(async () => {
    machine = await bootContainer();
  });
  afterAll(() => machine.destroy());

  async function succeed(text: string): Promise<string> {
    const { code, stdout, stderr } = await machine.sh(text);
    expect(code, `${text}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  }
  const listing =
    'find /etc /usr /var/lib /var/log -xdev ! -path "/var/log/journal*" ! -path "/var/lib/systemd*" | sort';

  test('the main job of the README: deposit, run the printed command, connected, still so after a reboot, gone by -u', async () => {
    const before = await succeed(`${listing}; cat /etc/passwd /etc/group`);
    const answer = JSON.parse(await succeed(depositCommand(pairings.service.url, pairings.release.connectUrl)));
    const output = await succeed(`${answer.installers.linux} -x -s -r -b -i`);
    expect(output).toContain(`rport 0.9.14 is connected to ${pairings.release.connectUrl}`);
    expect(await succeed('systemctl is-active rport')).toBe('active\n');
    expect(await succeed('systemctl is-enabled rport')).toBe('enabled\n');
    expect(await succeed('cat /var/lib/rport/state.json')).toContain('"last_state": "connected"');
    expect(await succeed('systemctl show -P User rport; systemctl show -P Restart rport')).toBe('rport\nalways\n');
    expect(await succeed('systemd-analyze verify /etc/systemd/system/rport.service 2>&1')).toBe('');

    expect((await machine.sh(answer.installers.linux)).code).toBe(5);
    await succeed('rm /var/lib/rport/state.json');
    await machine.reboot();
    await succeed(
      'for i in $(seq 100); do grep -q connected /var/lib/rport/state.json && exit 0; sleep 0.2; done; exit 1',
    );
    expect(await succeed('systemctl is-active rport')).toBe('active\n');

    await succeed('kill -KILL $(systemctl show -P MainPID rport); sleep 6; systemctl is-active rport');
    expect(await succeed(`${answer.installers.linux} -f -x`)).toContain('is connected');

    expect(await succeed(`curl -sSL ${pairings.service.url}/uninstall | sudo sh`)).toContain('rport was removed');
    expect((await machine.sh('systemctl status rport')).code).toBe(4);
    expect(await succeed(`${listing}; cat /etc/passwd /etc/group`)).toBe(before);
  });

  test('a fresh install that fails to start its service leaves nothing', async () => {
    const before = await succeed(`${listing}; cat /etc/passwd /etc/group`);
    const { installers } = await pairings.deposit();
    await succeed(
      'mkdir -p /run/systemd/system/rport.service.d; printf "[Unit]\\nAssertPathExists=/none\\n" >/run/systemd/system/rport.service.d/broken.conf',
    );
    expect(await machine.sh(installers.linux)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('could not start the service'),
    });
    await succeed('rm -r /run/systemd/system/rport.service.d; systemctl daemon-reload');
    expect(await succeed(`${listing}; cat /etc/passwd /etc/group`)).toBe(before);
  });

  test('a pairing code that is unknown fails the pipe', async () => {
    const { code, stderr } = await machine.sh(`curl -sSL ${pairings.service.url}/22222222222a | sudo sh -s --`);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('unknown or has expired') });
  });
});
