/** The least that can be done: `node:http` with the very bytes of the service's answers, which arrive on stdin as JSON. */
import { createServer } from 'node:http';
import { type Answer, readAnswers } from './answers.ts';

const { installer, pairing, missing } = await readAnswers();

const ready = (answer: Answer, status: number) => ({ ...answer, status, body: Buffer.from(answer.body) });
const answers = { installer: ready(installer, 200), pairing: ready(pairing, 200), missing: ready(missing, 404) };

createServer((request, response) => {
  const send = ({ status, headers, body }: (typeof answers)['installer']) =>
    response.writeHead(status, headers).end(body);
  if (request.method !== 'POST') {
    send(request.url === '/missing' ? answers.missing : answers.installer);
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString());
    send(answers.pairing);
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
