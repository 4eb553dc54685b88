# syntax=docker/dockerfile:1

# Compiles the service as it is packed for npm.
FROM node:26-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npx tsc -p tsconfig.build.json

# What runs: no compiler, no dependency for development.
FROM node:26-bookworm-slim AS run
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY --from=build /build/dist dist
COPY templates templates
COPY LICENSE ./

# The account without rights that the base image brings. Nothing is written: run it with a read-only root.
USER node
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without the option, the inspector can be opened by a signal until the service has loaded.
CMD ["node", "--disable-sigusr1", "dist/server.js"]
