/** Hono and its adapter with the very bytes of the service's answers, and nothing of the service. As bare.ts. */
import { text } from 'node:stream/consumers';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

interface Answer {
  headers: Record<string, string>;
  body: string;
}

const { installer, pairing, missing, port } = JSON.parse(await text(process.stdin)) as {
  [name in 'installer' | 'pairing' | 'missing']: Answer;
} & { port: number };

const ready = ({ headers, body }: Answer, status: number) => {
  const bytes = Buffer.from(body);
  return () => new Response(bytes, { status, headers });
};
const sendPairing = ready(pairing, 200);

const app = new Hono();
app.get('/', ready(installer, 200));
app.get('/missing', ready(missing, 404));
app.post('/', async (c) => {
  await c.req.json();
  return sendPairing();
});
serve({ fetch: app.fetch, port, hostname: '127.0.0.1' });
