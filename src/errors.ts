import { z } from 'zod';

const fieldProblemSchema = z
  .object({ field: z.string(), problem: z.string() })
  .describe('which rule a field broke; never holds the value itself');
export type FieldProblem = z.infer<typeof fieldProblemSchema>;

/** Why something was refused. (RFC 9457) */
export const problemSchema = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(fieldProblemSchema).optional(),
});
export type ProblemDetail = z.infer<typeof problemSchema>;

/**
 * A request this service answers with a reason instead of what was asked for. `message` is one plain ASCII sentence for
 * the user and never repeats anything the request contained.
 */
export abstract class Refusal extends Error {
  abstract readonly status: 400 | 404 | 405 | 413 | 415 | 500 | 503;
  /** Headers the answer carries besides the usual ones. */
  readonly headers: Record<string, string> = {};
  readonly fields: readonly FieldProblem[] = [];
}

export class BadRequest extends Refusal {
  readonly status = 400;
  override readonly fields: readonly FieldProblem[];

  constructor(message: string, fields: readonly FieldProblem[] = []) {
    super(message);
    this.fields = fields;
  }
}

export class NotFound extends Refusal {
  readonly status = 404;
}

export class MethodNotAllowed extends Refusal {
  readonly status = 405;
  override readonly headers: Record<string, string>;

  constructor(allowed: readonly string[]) {
    super(`This address answers ${allowed.join(', ')} only.`);
    this.headers = { Allow: allowed.join(', ') };
  }
}

export class TooLarge extends Refusal {
  readonly status = 413;
}

export class UnsupportedMediaType extends Refusal {
  readonly status = 415;
}

export class StoreFull extends Refusal {
  readonly status = 503;
  override readonly headers: Record<string, string>;

  /** @param retryAfter seconds until the oldest deposit expires */
  constructor(retryAfter: number) {
    super('All places for deposits are taken. Try again later.');
    this.headers = { 'Retry-After': String(retryAfter) };
  }
}

export class InternalError extends Refusal {
  readonly status = 500;

  constructor() {
    super('The pairing service failed. Try again, and tell its operator if that does not help.');
  }
}

const TITLES = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;

/** The refusal as a problem detail. */
export function problemDetail(refusal: Refusal): ProblemDetail {
  return {
    type: 'about:blank',
    title: TITLES[refusal.status],
    status: refusal.status,
    detail: refusal.message,
    ...(refusal.fields.length > 0 && { errors: [...refusal.fields] }),
  };
}
