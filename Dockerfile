# The image of Moiety: `moiety` on Node, without root. docker build -t moiety:0.1.0 .
#
#   docker run --rm -v "$PWD:/runs" moiety:0.1.0 train --data /runs/my-images --out /runs/first
#
# Tried: what the RUN instructions do, on Debian 12 with Node 20. Not tried: the build itself (no Docker daemon was at hand),
# arm64, Apptainer.
FROM node:24-bookworm-slim AS build
WORKDIR /src
# First what seldom changes, so that the layer with the packages is reused.
COPY package.json package-lock.json .npmrc ./
COPY packages packages
RUN npm ci
COPY . .
RUN npm run pack
WORKDIR /opt/moiety
# As a user installs it, but with this checkout's own packages.
RUN npm init --yes > /dev/null \
  && npm install --omit=dev --no-audit --no-fund \
    /src/build/moiety-[0-9]*.tgz \
    /src/build/moiety-artwork-*.tgz \
    "/src/build/moiety-onnxruntime-linux-$(node --print process.arch)"-*.tgz

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Moiety" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.source="https://github.com/OWNER/moiety"
ENV NODE_ENV=production MOIETY_CACHE=/cache
COPY --from=build /opt/moiety /opt/moiety
# A new volume at these folders belongs to the same user.
RUN ln -s /opt/moiety/node_modules/.bin/moiety /usr/local/bin/moiety \
  && install --directory --owner node --group node /runs /cache /data
USER node
WORKDIR /runs
# `moiety` handles signals as process 1: SIGTERM ends a training after a checkpoint.
STOPSIGNAL SIGTERM
ENTRYPOINT ["moiety"]
CMD ["--help"]
