# rejoin as an image: Node, the libraries that it loads, and the built program. No shell, compiler or package manager.
# docs/kubernetes.md says how it is run. Any Debian with Node 20.19 or newer and npm will do to build it.
ARG NODE_IMAGE=docker.io/library/node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# For raw-socket, which compiles on installation. What of them is newest does not reach the image.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make python3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Node's own headers, which are beside it. npm leaves out what is optional and does not compile; here it is not.
ENV npm_config_nodedir=/usr/local
RUN npm ci --no-audit --no-fund \
 && node -e 'for (const name of ["koffi", "raw-socket"]) require(name)'
COPY . .
RUN node_modules/.bin/rolldown -c && npm prune --omit=dev --no-audit --no-fund

# The root of the image: node and its libraries where it looks for them, one user, and the working directory.
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /image/etc /image/tmp /image/usr/local/bin /image/opt/rejoin/dist /image/opt/rejoin/collectors/demo \
 && cp "$(command -v node)" /image/usr/local/bin/node \
 && ldd /image/usr/local/bin/node | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} /image \
 && echo 'rejoin:x:10001:10001::/var/lib/rejoin:/nologin' > /image/etc/passwd \
 && echo 'rejoin:x:10001:' > /image/etc/group \
 && echo 'hosts: files dns' > /image/etc/nsswitch.conf \
 && cp -r package.json node_modules /image/opt/rejoin/ \
 && cp -r dist/bin /image/opt/rejoin/dist/ \
 && cp -r collectors/demo/captures /image/opt/rejoin/collectors/demo/ \
 && rm -rf /image/opt/rejoin/node_modules/.cache /image/opt/rejoin/node_modules/.bin \
 && install -d -o 10001 -g 10001 /image/var/lib/rejoin \
 && chmod 1777 /image/tmp \
 && find /image -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +

FROM scratch
LABEL org.opencontainers.image.title="rejoin" \
      org.opencontainers.image.description="Puts Multipath TCP sessions back together, out of path" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
ENV NODE_ENV=production
# Relative paths of a configuration, such as those of the outbox and of files, are below this.
WORKDIR /var/lib/rejoin
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/node", "/opt/rejoin/dist/bin/rejoin.js"]
CMD ["collect", "--config", "/etc/rejoin/collector.yaml"]
# Of a configuration that has `admin: { listen: 9464 }`; without it: --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["/usr/local/bin/node", "-e", "fetch('http://127.0.0.1:9464/livez').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
