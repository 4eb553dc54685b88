import { text } from 'node:stream/consumers';

export interface Answer {
  headers: Record<string, string>;
  body: string;
}

/** What the service answers, as bench.ts writes it on stdin. */
export async function readAnswers() {
  return JSON.parse(await text(process.stdin)) as { [name in 'installer' | 'pairing' | 'missing']: Answer };
}
