import { text } from 'node:stream/consumers';

export interface Answer {
  headers: Record<string, string>;
  body: string;
}

/** What the service answers, and the port to answer it on, as bench.ts writes them on stdin. */
export async function readAnswers() {
  return JSON.parse(await text(process.stdin)) as {
    [name in 'installer' | 'pairing' | 'missing']: Answer;
  } & { port: number };
}
