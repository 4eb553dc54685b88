/** Hono and its adapter with the very bytes of the service's answers, and nothing of the service. As bare.ts. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { type Answer, readAnswers } from './answers.ts';

const { installer, pairing, missing } = await readAnswers();

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
serve({ fetch: app.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' });
