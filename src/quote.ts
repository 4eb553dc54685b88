/** Quotes `value` as one POSIX sh word: `it's` becomes `'it'\''s'`. Throws on NUL, which no shell word can hold. (POSIX.1-2024, XCU 2.2.2) */
export function shQuote(value: string): string {
  refuseNul(value);
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/**
 * Quotes `value` as one PowerShell string literal: `it's` becomes `'it''s'`. PowerShell takes the typographic quotes
 * U+2018 to U+201B for `'` as well, so each is doubled. Throws on NUL. (about_Quoting_Rules)
 */
export function psQuote(value: string): string {
  refuseNul(value);
  return `'${value.replace(/['\u2018-\u201b]/g, '$&$&')}'`;
}

/**
 * Encodes `value` as a TOML basic string in pure ASCII: `ä"` becomes `"\u00e4\""`. Throws on a lone surrogate, which
 * TOML cannot express. (TOML 1.0, String)
 */
export function tomlString(value: string): string {
  if (!value.isWellFormed()) throw new RangeError('a TOML string cannot hold a lone surrogate');
  const escaped = value.replace(/["\\]|[^ -~]/gu, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}

/** Writes `value` for HTML text and for attributes in either kind of quotes: `"` becomes `&#34;`. (HTML, 13.1.4) */
export function htmlEscape(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function refuseNul(value: string): void {
  if (value.includes('\0')) throw new RangeError('a script cannot hold a NUL character');
}
