import { z } from 'zod';
import { depositSchema, pairingSchema } from './deposit.ts';
import { problemSchema } from './errors.ts';
import { statusSchema } from './retrieve.ts';
import { version } from './version.ts';

/** The OpenAPI 3.1 document of the service at `publicUrl`; its schemas are those the service itself reads and answers by. */
export function openApiDocument(publicUrl: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'rport-pairing',
      version,
      summary: 'Pairs machines with an RPort server.',
      description:
        'Takes the credentials of an RPort client, keeps them in memory for a few minutes under a random code, and hands out installers. Any path answers a method that is not named here with 405, and an unexpected failure is a 500, each in the form of the other errors of that path.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: publicUrl }],
    security: [],
    paths: {
      '/': {
        get: {
          operationId: 'showForm',
          summary: 'A form for a browser, a short usage text for anything else',
          responses: { 200: { description: 'The form or the text', content: { ...TEXT, ...HTML } } },
        },
        post: {
          operationId: 'deposit',
          summary: 'Uploads credentials for a pairing code',
          requestBody: {
            required: true,
            content: {
              'application/json': DEPOSIT,
              'multipart/form-data': DEPOSIT,
              'application/x-www-form-urlencoded': DEPOSIT,
            },
          },
          responses: {
            200: { description: 'The code and the commands', content: { 'application/json': { schema: PAIRING } } },
            303: {
              description: 'To the page of the pairing, for a browser that sent the form',
              headers: { Location: STRING },
            },
            400: problem('A field breaks a rule, or the body cannot be read'),
            403: problem(
              'It came over plain HTTP, by the word of the proxy in front, or from a page of an origin that may not',
            ),
            413: problem('The body has more than 8 KiB'),
            415: problem('The body is neither JSON nor a form'),
            429: { ...problem('Too many deposits from this client address'), headers: RETRY_AFTER },
            503: { ...problem('The store is full'), headers: RETRY_AFTER },
          },
        },
      },
      '/{code}': {
        parameters: [CODE],
        get: {
          operationId: 'retrieve',
          summary: 'The installer; for a browser a page with the commands, which counts as no retrieval',
          description: 'PowerShell for a PowerShell on Windows, sh for any other program.',
          parameters: FLAGS,
          responses: scripts({ ...TEXT, ...HTML }),
        },
        delete: {
          operationId: 'revoke',
          summary: 'Ends the pairing at once',
          responses: { 204: { description: 'Ended' }, ...unknownCode() },
        },
      },
      '/{code}.sh': {
        parameters: [CODE],
        get: { operationId: 'retrieveSh', summary: 'The installer in sh', parameters: FLAGS, responses: scripts(TEXT) },
      },
      '/{code}.ps1': {
        parameters: [CODE],
        get: {
          operationId: 'retrievePowerShell',
          summary: 'The installer in PowerShell',
          parameters: FLAGS,
          responses: scripts(TEXT),
        },
      },
      '/{code}.json': {
        parameters: [CODE],
        get: {
          operationId: 'readStatus',
          summary: 'Whether the pairing has been picked up',
          responses: {
            200: { description: 'Expiry and retrievals', content: { 'application/json': { schema: STATUS } } },
            ...unknownCode(),
          },
        },
      },
      '/uninstall': {
        get: {
          operationId: 'uninstall',
          summary: 'The script that removes client, configuration and logs; .sh and .ps1 fix its dialect',
          responses: { 200: { description: 'The script', content: TEXT } },
        },
      },
      '/healthz': {
        get: {
          operationId: 'health',
          summary: 'Whether the process lives',
          responses: { 200: { description: 'It does', content: TEXT } },
        },
      },
      '/readyz': {
        get: {
          operationId: 'readiness',
          summary: 'Whether the service takes requests',
          responses: {
            200: { description: 'It does', content: TEXT },
            503: { description: 'It is stopping', content: TEXT },
          },
        },
      },
      '/metrics': {
        get: {
          operationId: 'metrics',
          summary: 'Figures for Prometheus; with a bearer token where the operator asks for one',
          responses: {
            200: { description: 'The figures', content: TEXT },
            401: {
              description: 'The token is missing or wrong',
              content: TEXT,
              headers: { 'WWW-Authenticate': STRING },
            },
          },
        },
      },
      '/openapi.json': {
        get: {
          operationId: 'describe',
          summary: 'This document',
          responses: {
            200: { description: 'The document', content: { 'application/json': { schema: { type: 'object' } } } },
          },
        },
      },
    },
    components: {
      schemas: {
        Deposit: jsonSchema(depositSchema, 'input'),
        Pairing: jsonSchema(pairingSchema, 'output'),
        Status: jsonSchema(statusSchema, 'output'),
        Problem: jsonSchema(problemSchema, 'output'),
      },
    },
  };
}

const DEPOSIT = { schema: { $ref: '#/components/schemas/Deposit' } };
const PAIRING = { $ref: '#/components/schemas/Pairing' };
const STATUS = { $ref: '#/components/schemas/Status' };

const TEXT = { 'text/plain': { schema: { type: 'string' } } };
const HTML = { 'text/html': { schema: { type: 'string' } } };

const CODE = {
  name: 'code',
  in: 'path',
  required: true,
  description: 'The pairing code, matched exactly',
  schema: { type: 'string' },
};

/** A switch is given without a value: `?x&s`. */
const FLAGS = [
  ...['f', 't', 'x', 's', 'r', 'b', 'i', 'd'].map((name) => ({
    name,
    in: 'query',
    allowEmptyValue: true,
    description: `Bakes the flag -${name} in`,
    schema: { type: 'string', maxLength: 0 },
  })),
  { name: 'a', in: 'query', description: 'Bakes the account in', schema: { type: 'string' } },
  { name: 'g', in: 'query', description: 'Bakes tags in', schema: { type: 'array', items: { type: 'string' } } },
];

const STRING = { schema: { type: 'string' } };
const RETRY_AFTER = { 'Retry-After': { description: 'Seconds', schema: { type: 'integer', minimum: 1 } } };

const MISSED = 'Too many unknown codes from this client address';

function unknownCode(): object {
  return {
    404: problem('The code is unknown or has expired'),
    429: { ...problem(MISSED), headers: RETRY_AFTER },
  };
}

function scripts(content: object): object {
  return {
    200: { description: 'The installer', content },
    400: { description: 'A flag cannot be baked in: a script that says so and exits 1', content },
    404: { description: 'The code is unknown, used up or expired: a script that says so and exits 1', content },
    429: { description: `${MISSED}: a script that says so and exits 1`, content, headers: RETRY_AFTER },
  };
}

function problem(description: string): object {
  return {
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

/** `input`: as it is sent, before it is normalised. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
  return rest;
}
