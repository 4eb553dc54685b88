import type { Dialect } from './flags.ts';

/** `page` is a page for people that holds no credential. */
type Answer = Dialect | 'page';

/** What a script URL can end in. */
export type Extension = Dialect | 'json';

/**
 * Programs that fetch every link they see: previews of chats, mail filters, search engines. Most say what they are; the
 * rest go by name.
 */
const BOTS = new RegExp(
  [
    'bot\\b|crawler|spider|slurp|preview|unfurl|externalhit|externalagent|imageproxy|link ?check',
    'whatsapp|viber|skype|\\bteams\\b|kakaotalk|rocket\\.chat|nextcloud|webex|vkshare|embed|iframely|cardyb|mastodon|atlassian|\\bgoogle-',
    'microsoft office|ms-office|outlook|proofpoint|mimecast|barracuda',
  ].join('|'),
  'i',
);

/**
 * What a client gets from a script URL. A bot gets the page whatever it asks for, so that pasting a command into a chat
 * uses nothing up. Then the extension decides; without one, a browser (it prefers HTML) gets the page.
 */
export function negotiate(extension: Extension | undefined, userAgent: string, accept: string): Answer {
  // Its early releases call themselves previews.
  if (/powershell/i.test(userAgent)) return chooseDialect(extension, userAgent);
  if (BOTS.test(userAgent)) return 'page';
  if (extension === undefined && prefersHtml(accept)) return 'page';
  return chooseDialect(extension, userAgent);
}

/** Whether an Accept header is that of a browser that shows a page. */
export function prefersHtml(accept: string): boolean {
  return /\btext\/html\b/i.test(accept);
}

/** The dialect a script URL fails in: that of its extension, else PowerShell for PowerShell on Windows, else sh. */
export function chooseDialect(extension: Extension | undefined, userAgent: string): Dialect {
  if (extension === 'sh' || extension === 'ps1') return extension;
  return /powershell/i.test(userAgent) && /windows/i.test(userAgent) ? 'ps1' : 'sh';
}
