import { expect, test } from 'vitest';
import { negotiate } from '../src/negotiate.ts';

const BROWSER_ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

test.each([
  ['sh', 'curl/8.5.0', '*/*'],
  ['sh', 'Wget/1.21.3', '*/*'],
  ['sh', 'Wget', ''],
  ['sh', 'libcurl-agent/1.0', '*/*'],
  ['sh', 'fetch libfetch/2.0', ''],
  ['sh', 'ansible-httpget', ''],
  ['sh', 'python-requests/2.32.3', '*/*'],
  ['sh', '', ''],
  ['ps1', 'Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1237', ''],
  ['ps1', 'Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.1', ''],
  ['ps1', 'Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.26100; en-US) PowerShell/7.6.0-preview.4', ''],
  ['sh', 'Mozilla/5.0 (Linux; Debian GNU/Linux 12; en-US) PowerShell/7.4.1', ''],
])('answers %s to the installing client %s', (answer, userAgent, accept) => {
  expect(negotiate(undefined, userAgent, accept)).toBe(answer);
});

test('answers a browser with the page, unless the address names a dialect', () => {
  expect(negotiate(undefined, FIREFOX, BROWSER_ACCEPT)).toBe('page');
  expect(negotiate('sh', FIREFOX, BROWSER_ACCEPT)).toBe('sh');
  expect(negotiate('ps1', FIREFOX, BROWSER_ACCEPT)).toBe('ps1');
});

test.each([
  'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
  'Slack-ImgProxy (+https://api.slack.com/robots); Slackbot',
  'Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)',
  'TelegramBot (like TwitterBot)',
  'Twitterbot/1.0',
  'WhatsApp/2.23.20.0',
  'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
  'meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)',
  'Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Teams/1.6.00 Safari/537.36',
  'LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)',
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)',
  'Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/)',
  'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
  'Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)',
  'Mattermost-Bot/1.1',
  'Rocket.Chat/6.0 (+https://rocket.chat)',
  'Synapse (bot; +https://github.com/matrix-org/synapse)',
  'Mozilla/5.0 (compatible; ZulipURLPreview/10.0; +https://zulip.com)',
  'Nextcloud Server Crawler',
  'kakaotalk-scrap/1.0',
  'Viber/13.0',
  'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 BingPreview/1.0b',
  'Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0; Pro)',
  'redditbot/1.0',
  'Bluesky Cardyb/1.1; +mailto:support@bsky.app',
  'http.rb/5.1.1 (Mastodon/4.2.10; +https://mastodon.example/) Bot',
  'NotionEmbedder',
  'Atlassian HttpClient 0.17.2',
  'Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)',
])('answers the bot %s with the page at every address', (userAgent) => {
  for (const extension of [undefined, 'sh', 'ps1'] as const)
    expect(negotiate(extension, userAgent, '*/*')).toBe('page');
});
