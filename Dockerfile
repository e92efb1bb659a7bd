# gauthify-server. Data, and the key file of SQLite, are in the volume /data.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json nest-cli.json ./
COPY lib lib
RUN npm run build && npm pack --ignore-scripts

FROM node:24-slim
WORKDIR /app
COPY --from=build /build/nestjs-gauthify-*.tgz ./
# Node 24 contains SQLite: nothing is compiled.
RUN npm init -y >/dev/null \
 && npm install --ignore-scripts --no-audit --no-fund ./nestjs-gauthify-*.tgz \
    kysely@0.28 otpauth qrcode nodemailer @nestjs/platform-fastify@12 pg twilio prom-client@15 pino@10 \
 && rm -f nestjs-gauthify-*.tgz && npm cache clean --force \
 && mkdir /data && chown node:node /data
USER node
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 DATABASE_URL=sqlite:/data/gauthify.sqlite
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:'+process.env.PORT+'/healthz/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "node_modules/nestjs-gauthify/dist/server/cli/main.js"]
