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

/** Why a request was refused, as the metrics count it. */
export type RefusalReason =
  | 'invalid'
  | 'not_found'
  | 'method'
  | 'too_large'
  | 'media_type'
  | 'rate_limit'
  | 'store_full'
  | 'insecure'
  | 'origin'
  | 'stopping'
  | 'unauthorized'
  | 'internal';

/**
 * A request this service answers with a reason instead of what was asked for. `message` is one plain ASCII sentence for
 * the user and never repeats anything the request contained.
 */
export abstract class Refusal extends Error {
  abstract readonly status: keyof typeof TITLES;
  abstract readonly reason: RefusalReason;
  /** Headers the answer carries besides the usual ones. */
  readonly headers: Record<string, string> = {};
  readonly fields: readonly FieldProblem[] = [];
}

export class BadRequest extends Refusal {
  readonly status = 400;
  readonly reason = 'invalid';
  override readonly fields: readonly FieldProblem[];

  constructor(message: string, fields: readonly FieldProblem[] = []) {
    super(message);
    this.fields = fields;
  }
}

/** The metrics endpoint without its token. (RFC 6750) */
export class Unauthorized extends Refusal {
  readonly status = 401;
  readonly reason = 'unauthorized';
  override readonly headers = { 'WWW-Authenticate': 'Bearer' };

  constructor() {
    super('Send the token of this address as "Authorization: Bearer TOKEN".');
  }
}

/** Credentials that came over a network in the clear. */
export class InsecureTransport extends Refusal {
  readonly status = 403;
  readonly reason = 'insecure';
}

/** A deposit by a page of an origin that may not. A form needs no leave of CORS to be sent. */
export class ForeignOrigin extends Refusal {
  readonly status = 403;
  readonly reason = 'origin';

  constructor() {
    super('Pages of this origin may not deposit here; CORS_ORIGINS names those that may. Nothing was stored.');
  }
}

/** What can be had over HTTPS only. The answer is a redirect, but whoever does not follow it must see a failure. */
export class MovedToHttps extends Refusal {
  readonly status = 308;
  readonly reason = 'insecure';
  override readonly headers: Record<string, string>;

  constructor(location: string) {
    super('This service is reached over HTTPS only: use https in its address.');
    this.headers = { Location: location };
  }
}

export class NotFound extends Refusal {
  readonly status = 404;
  readonly reason = 'not_found';
}

/** A guess, or a code that is used up or whose time is over. */
export class UnknownCode extends NotFound {
  constructor(
    message = 'This pairing code is unknown or has expired. Check that it was copied whole, 12 letters and digits; codes work for a few minutes only, so upload the credentials again to get a new one.',
  ) {
    super(message);
  }
}

export class MethodNotAllowed extends Refusal {
  readonly status = 405;
  readonly reason = 'method';
  override readonly headers: Record<string, string>;

  constructor(allowed: readonly string[]) {
    super(`This address answers ${allowed.join(', ')} only.`);
    this.headers = { Allow: allowed.join(', ') };
  }
}

export class TooLarge extends Refusal {
  readonly status = 413;
  readonly reason = 'too_large';
}

export class UnsupportedMediaType extends Refusal {
  readonly status = 415;
  readonly reason = 'media_type';
}

export class TooManyRequests extends Refusal {
  readonly status = 429;
  readonly reason = 'rate_limit';
  override readonly headers: Record<string, string>;

  /** @param retryAfter seconds */
  constructor(retryAfter: number) {
    super(`Too many requests from this address. Try again in ${retryAfter} seconds.`);
    this.headers = { 'Retry-After': String(retryAfter) };
  }
}

export class StoreFull extends Refusal {
  readonly status = 503;
  readonly reason = 'store_full';
  override readonly headers: Record<string, string>;

  /** @param retryAfter seconds until the oldest deposit expires */
  constructor(retryAfter: number) {
    super('All places for deposits are taken. Try again later.');
    this.headers = { 'Retry-After': String(retryAfter) };
  }
}

/** For /readyz: send nobody here any more. */
export class Stopping extends Refusal {
  readonly status = 503;
  readonly reason = 'stopping';

  constructor() {
    super('The service is stopping.');
  }
}

export class InternalError extends Refusal {
  readonly status = 500;
  readonly reason = 'internal';

  constructor() {
    super('The pairing service failed. Try again, and tell its operator if that does not help.');
  }
}

const TITLES = {
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
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
