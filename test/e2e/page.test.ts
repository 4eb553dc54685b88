import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectAccessible, startBrowser, visit } from '../support/browser.ts';
import { usePairings } from '../support/pairing.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS } from '../support/root.ts';
import { type DepositAnswer, deposit, PLAIN_DEPOSIT, type Service, startService } from '../support/service.ts';

const CODE_URL = /\/[2-9A-HJ-NP-Za-kmnp-z]{12}$/;

describeWith(['chromium', 'curl'], 'in a browser', () => {
  let browser: Browser;
  let service: Service;

  beforeAll(async () => {
    [browser, service] = await Promise.all([startBrowser(), startService()]);
  });
  afterAll(async () => {
    await browser.close();
    await service.stop();
  });

  async function fillForm(page: Page, fields: Record<string, string> = PLAIN_DEPOSIT): Promise<void> {
    for (const [name, value] of Object.entries(fields)) await page.fill(`#${name}`, value);
  }

  /** The page of a new pairing, once its script runs. */
  async function visitPairing(query = '', options = {}) {
    const pairing = await deposit(service);
    const visited = await visit(browser, pairing.url + query, options);
    await visited.page.locator('#revoke').waitFor();
    return { ...visited, pairing };
  }

  const command = (page: Page, system = 'linux') => page.locator(`#${system}-command`).textContent();
  const news = (page: Page, text: string) => page.locator('#news', { hasText: text }).waitFor();

  test('the form becomes a pairing whose copied command gets the installer with the ticked flags', async () => {
    const { page, complaints } = await visit(browser, service.url);
    await fillForm(page);
    await page.click('text=Get the commands');
    await page.waitForURL(CODE_URL);
    for (const letter of ['x', 's']) await page.check(`[name=${letter}]`);
    await page.fill('#flag-a', 'deploy');
    await page.fill('#flag-g', 'web, New York');
    expect(await command(page)).toBe(`curl -sSL '${page.url()}?x&s&a=deploy&g=web&g=New+York' | sudo sh -s --`);
    await page.click('text=Copy >> visible=true');
    await news(page, 'Copied');
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(copied).toBe(await command(page));
    const [download = ''] = copied.split('|');
    const installer = execFileSync('sh', ['-c', download], { encoding: 'utf8' });
    expect(installer).toContain("default_flags='xs'");
    expect(installer).toContain("default_account='deploy'");
    expect(installer).toContain('default_tags=\'"web", "New York"\'');
    await page.locator('#retrievals', { hasText: '1 time' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('each broken rule is shown beside its field, in the words of the service, and goes when it is kept', async () => {
    const { page, complaints } = await visit(browser, service.url);
    await fillForm(page, { connect_url: 'ftp://example.com', fingerprint: '2a', client_id: 'a:bc', uses: '0' });
    await page.click('text=Get the commands');
    const problems = page.locator('.field .problem');
    expect(await problems.allTextContents()).toEqual([
      'must be an http, https, ws or wss URL with a host and without user name or password',
      'must be 16 pairs of hexadecimal digits, separated by colons',
      'must not contain a colon',
      'is missing',
      'must be a whole number from 1 to 1000',
    ]);
    expect(await page.evaluate('document.activeElement.id')).toBe('connect_url');
    await expectAccessible(page);
    await fillForm(page, { ...PLAIN_DEPOSIT, uses: '' });
    expect((await problems.allTextContents()).join('')).toBe('');
    expect(complaints).toEqual([]);
  });

  test('what only the service can refuse is shown beside its field too, and nothing typed is lost', async () => {
    const choosy = await startService({ CONNECT_HOSTS: 'rport.example.com' });
    const { page } = await visit(browser, choosy.url);
    await fillForm(page);
    await page.click('text=Get the commands');
    await page.locator('#connect_url-problem', { hasText: 'not one of the RPort servers' }).waitFor();
    expect(await page.inputValue('#password')).toBe(PLAIN_DEPOSIT.password);
    await choosy.stop();
    await page.click('text=Get the commands');
    await page.locator('#deposit-problem', { hasText: 'does not answer' }).waitFor();
  });

  test('the page of a code holds no credential and counts no retrieval', async () => {
    const { page, pairing, complaints } = await visitPairing();
    const html = await page.content();
    for (const value of Object.values(PLAIN_DEPOSIT)) expect(html).not.toContain(value);
    await page.reload();
    const status = await fetch(`${pairing.url}.json`);
    expect(await status.json()).toMatchObject({ retrievals: 0 });
    expect(complaints).toEqual([]);
  });

  test('flags in the address are ticked, and those that mean nothing on Windows stay out of its command', async () => {
    const { page, pairing } = await visitPairing('?x&b&a=deploy');
    expect(await page.isChecked('[name=b]')).toBe(true);
    expect(await command(page)).toBe(`curl -sSL '${pairing.url}?x&b&a=deploy' | sudo sh -s --`);
    await page.click('label[for=windows]');
    expect(await command(page, 'windows')).toContain(`-Uri '${pairing.url}.ps1?x&a=deploy' -OutFile`);
    expect(await page.isVisible('[name=b]')).toBe(false);
  });

  test('a value that the installer would refuse is named and stays out of the command', async () => {
    const { page, pairing } = await visitPairing();
    await page.fill('#flag-a', "o'neill");
    await page.fill('#flag-g', 'good, ba"d');
    expect(await command(page)).toBe(`curl -sSL '${pairing.url}?g=good' | sudo sh -s --`);
    expect(await page.textContent('#flag-a-problem')).toBe('must be one account name');
    expect(await page.textContent('#flag-g-problem')).toContain('a tag has');
  });

  test('the counter follows a real curl, and the last use ends the pairing', async () => {
    const { page } = await visit(browser, service.url);
    await fillForm(page, { ...PLAIN_DEPOSIT, uses: '2' });
    await page.keyboard.press('Enter');
    await page.waitForURL(CODE_URL);
    await page.locator('#retrievals', { hasText: '0 of 2 times' }).waitFor();
    execFileSync('curl', ['-sSf', '-o', '/dev/null', page.url()]);
    await page.locator('#retrievals', { hasText: '1 of 2 times' }).waitFor();
    execFileSync('curl', ['-sSf', '-o', '/dev/null', page.url()]);
    await news(page, 'as often as it may be');
    expect(await page.locator('button:enabled >> visible=true').count()).toBe(0);
  });

  test('the countdown runs from ten minutes to the end, whatever the clock of the machine says', async () => {
    const pairing = await deposit(service);
    const { page, complaints } = await visit(browser, 'about:blank');
    await page.clock.install({ time: new Date('2001-01-01') });
    await page.goto(pairing.url);
    await page.locator('#remaining', { hasText: /^(10:00|9:5\d)$/ }).waitFor();
    await page.clock.runFor('05:00');
    await page.locator('#remaining', { hasText: /^(5:00|4:5\d)$/ }).waitFor();
    await page.clock.runFor('05:01');
    await news(page, 'has expired');
    expect(await page.textContent('#remaining')).toBe('0:00');
    await expectAccessible(page);
    expect(complaints).toEqual([]);
  });

  test('Revoke asks, and then ends the pairing at once', async () => {
    const { page, pairing, complaints } = await visitPairing();
    await page.click('#revoke');
    await expectAccessible(page);
    await page.click('text=Keep it');
    expect((await fetch(`${pairing.url}.json`)).status).toBe(200);
    await page.click('#revoke');
    await page.click('dialog >> text=/^Revoke$/');
    await news(page, 'Revoked');
    expect((await fetch(`${pairing.url}.json`)).status).toBe(404);
    expect(complaints).toEqual([]);
  });

  test('everything works from the keyboard', async () => {
    const { page } = await visit(browser, service.url);
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await page.focus('.brand');
    for (const value of Object.values(PLAIN_DEPOSIT)) {
      await press('Tab');
      await page.keyboard.type(value);
    }
    await press('Tab', 'Tab', 'Enter');
    await page.waitForURL(CODE_URL);
    await page.locator('#revoke').waitFor();
    await press('Tab', 'Tab', 'Enter');
    expect(await page.isVisible('dialog')).toBe(true);
    await press('Escape');
    expect(await page.isVisible('dialog')).toBe(false);
    await press('Tab', 'ArrowRight');
    expect(await page.isVisible('#windows-command')).toBe(true);
    await press('Tab', 'Tab', 'Enter');
    await news(page, 'Copied');
    await press('Tab', 'Space');
    expect(await command(page, 'windows')).toContain('.ps1?x');
  });

  test('without JavaScript the form leads to the commands, with the flags of the address', async () => {
    const { page } = await visit(browser, service.url, { javaScriptEnabled: false });
    await fillForm(page);
    await page.click('text=Get the commands');
    await page.waitForURL(CODE_URL);
    expect(await command(page)).toBe(`curl -sSL '${page.url()}' | sudo sh -s --`);
    await page.goto(`${page.url()}?x&r`);
    expect(await command(page)).toContain("?x&r' | sudo sh");
    await page.goto(service.url);
    await fillForm(page, { ...PLAIN_DEPOSIT, client_id: 'a:bc' });
    await page.click('text=Get the commands');
    expect(page.url()).toBe(`${service.url}/`);
  });

  test('an unknown code is a plain page that says what to do', async () => {
    const { page } = await visit(browser, `${service.url}/22222222222a`);
    await page.locator('main', { hasText: 'unknown or has expired' }).waitFor();
    await expectAccessible(page);
    await page.click('main >> text=Pair a machine');
    await page.locator('#deposit').waitFor();
  });

  test('an expired code is the same plain page', async () => {
    const brief = await startService({ DEPOSIT_TTL: '1' });
    const { url } = await deposit(brief);
    const { page } = await visit(browser, url);
    await expect.poll(async () => (await page.goto(url))?.status(), { timeout: 30_000, interval: 250 }).toBe(404);
    await page.locator('main', { hasText: 'unknown or has expired' }).waitFor();
    await brief.stop();
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
    ['high contrast', { forcedColors: 'active' }],
  ] as const)('form and pairing are accessible and fit: %s', async (_, options) => {
    const { page, complaints } = await visitPairing('', options);
    for (const url of [page.url(), service.url]) {
      await page.goto(url);
      await expectAccessible(page);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    }
    expect(complaints).toEqual([]);
  });
});

describeWith(['chromium', 'curl', ...ROOT_TOOLS], 'the web UI of an RPort server, of another origin', () => {
  const pairings = usePairings();
  let browser: Browser;

  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());

  test('deposits, and its command connects a machine; it reads why a deposit was refused', async () => {
    const ui = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<title>UI</title>'));
    await new Promise<void>((resolve) => ui.listen(0, '127.0.0.1', resolve));
    const { page } = await visit(browser, `http://localhost:${(ui.address() as AddressInfo).port}`);
    const post = (body: object) =>
      page.evaluate(
        async ([url, json]) => {
          const headers = { 'Content-Type': 'application/json' };
          const answer = await fetch(url, { method: 'POST', headers, body: json });
          return { status: answer.status, body: (await answer.json()) as DepositAnswer };
        },
        [pairings.service.url, JSON.stringify(body)] as const,
      );
    const fields = { ...PLAIN_DEPOSIT, connect_url: pairings.release.connectUrl };
    const { status, body } = await post(fields);
    expect(status).toBe(200);
    expect(body).toMatchObject({ pairing_code: expect.any(String), expires: expect.any(String) });
    const root = await pairings.root();
    const said = await root.sh(`${body.installers.linux} -x -s -r -b -i`);
    expect(said).toContain(`is connected to ${pairings.release.connectUrl}`);
    expect(await post({ ...fields, password: '' })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'password', problem: 'must have 3 to 100 characters' }] },
    });
    await page.close();
    await new Promise((resolve) => ui.close(resolve));
  });
});
