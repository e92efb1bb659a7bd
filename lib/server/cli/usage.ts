/** What `--help` says below the commands. */
export const USAGE = `
Without a command it serves. Environment variables configure it:

  HOST, PORT                 where it listens (127.0.0.1, 4000)
  PUBLIC_URL                 where browsers reach it (http://HOST:PORT)
  DATABASE_URL               sqlite:<file>, sqlite::memory: or postgres://… (sqlite:gauthify.sqlite)
  GAUTHIFY_API_KEYS          realm:key, separated by commas (one is created at the first start)
  GAUTHIFY_ENCRYPTION_KEYS   id:base64, newest first (a key file beside the SQLite file; required with PostgreSQL)
  GAUTHIFY_KEY_PROVIDER      ES module whose default export is a KeyProvider, in place of the encryption keys (none)
  GAUTHIFY_ISSUER            name shown in authenticator apps (GAuthify)
  GAUTHIFY_RETURN_URLS       realm=url, separated by commas (none)
  GAUTHIFY_FRAME_ANCESTORS   origins that may frame the ezGAuth page (none)
  GAUTHIFY_KEEP_QR_URL       true: qr_url still shows the secret after its first right code (false)
  GAUTHIFY_WHILE_LOCKED      what check/ answers while a user has to wait: error or false (error)
  GAUTHIFY_LEGACY_ROUTES     true: answer clients of version 1.2 (false)
  GAUTHIFY_AUDIT             false: no audit log (true)
  SMTP_URL, MAIL_FROM        mail server and sender (messages go to the outbox)
  DKIM_DOMAIN, DKIM_SELECTOR, DKIM_KEY_FILE
                             signs e-mail with an RSA key in a PEM file (none)
  TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM, TWILIO_BASE_URL
                             SMS and calls by Twilio, or a compatible gateway (the outbox)
  SMS_HTTP_URL, SMS_HTTP_METHOD, SMS_HTTP_HEADERS, SMS_HTTP_BODY
                             SMS by an HTTP gateway (the outbox)
  VOICE_HTTP_URL, VOICE_HTTP_METHOD, VOICE_HTTP_HEADERS, VOICE_HTTP_BODY
                             calls by an HTTP gateway (the outbox)
  GAUTHIFY_SMS_COUNTRIES     countries that SMS and calls may go to: DE,AT (all)
  METRICS_PORT, METRICS_HOST where Prometheus reads metrics (none, 127.0.0.1)
  METRICS_REALMS             true: metrics by realm (false)
  LOG_FORMAT                 text or json (text)
  LOG_LEVEL                  error, warn, info (a line for each request) or debug (warn)
  SHUTDOWN_DELAY_SECONDS     how long it accepts requests after SIGTERM, while it is not ready (0)
  SHUTDOWN_TIMEOUT_SECONDS   how long requests may take after that (10)
  GAUTHIFY_PASSPHRASE        passphrase of import and export (asks)
  GAUTHIFY_API_KEY           API key of quick-test (none)
  BETTER_AUTH_SECRET, BETTER_AUTH_SECRETS, PRIVACYIDEA_KEY
                             open the exports of those systems (asks)

Exit codes: 0 it worked, 1 it failed or found a problem, 2 the command line is wrong.`;
