# One image for every process; the command says which.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings its own Node 24, so the one that is pinned as a package would only be weight.
RUN npm ci --omit=dev --no-audit --no-fund && rm -rf node_modules/node node_modules/.bin/node

FROM node:24-bookworm-slim
# ffmpeg for video; tini, because the first process of a container must reap others' children and pass signals on.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production HOST=0.0.0.0 MEDIA_DIR=/data/media
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
RUN mkdir -p /data/media /data/public && chown -R node:node /data
USER node
ENTRYPOINT ["tini", "--"]
CMD ["node", "read-api/main.ts"]
