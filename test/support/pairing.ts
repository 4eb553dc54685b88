import { afterAll, beforeAll } from 'vitest';
import { type ReleaseServer, startReleaseServer } from './release-server.ts';
import { baseRoot, createRoot, type Root, type ServiceManager } from './root.ts';
import { type DepositAnswer, type DepositFields, deposit, type Service, startService } from './service.ts';

/** The service and a release server, for as long as a suite runs, and the throw-away roots it makes. */
export interface Pairings {
  release: ReleaseServer;
  service: Service;
  /** Deposits credentials whose connect URL answers. */
  deposit: (fields?: Partial<DepositFields>) => Promise<DepositAnswer>;
  /** Deposits and fetches the installer; `query` such as `?x&s`. */
  installer: (fields?: Partial<DepositFields>, query?: string) => Promise<string>;
  /** A root without an install; it is destroyed after the suite. */
  root: (manager?: ServiceManager) => Promise<Root>;
}

/** Registers the hooks that start and stop it all; its members can be used inside of tests only. */
export function usePairings(env: Record<string, string> = {}): Pairings {
  const roots: Root[] = [];
  const pairings = {
    deposit: (fields: Partial<DepositFields> = {}) =>
      deposit(pairings.service, { connect_url: pairings.release.connectUrl, ...fields }),
    async installer(fields: Partial<DepositFields> = {}, query = '') {
      const { url } = await pairings.deposit(fields);
      return (await fetch(`${url}.sh${query}`)).text();
    },
    async root(manager?: ServiceManager) {
      const root = await createRoot(manager);
      roots.push(root);
      return root;
    },
  } as Pairings;

  beforeAll(async () => {
    // Made here, where there is time for it, and not in the first test.
    baseRoot();
    pairings.release = await startReleaseServer();
    pairings.service = await startService({
      RPORT_RELEASES_URL: pairings.release.rportReleasesUrl,
      TACOSCRIPT_RELEASES_URL: pairings.release.tacoscriptReleasesUrl,
      ...env,
    });
  });
  afterAll(async () => {
    for (const root of roots) await root.destroy();
    await pairings.service.stop();
    await pairings.release.close();
  });
  return pairings;
}
