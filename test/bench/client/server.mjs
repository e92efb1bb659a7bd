/** A process of its own: answers every request as GAuthify does, or hangs, breaks, … as `?` of argv says. */
import { createServer } from 'node:http';

const kind = process.argv[2] ?? 'data';
const body = JSON.stringify({
  data: { unique_id: 'jane', authenticated: true, method: 'totp' },
  request_id: '0123456789abcdef0123456789abcdef',
  server_time: '2026-01-01T00:00:00.000Z',
});

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    if (kind === 'hang') return;
    if (kind === '5xx') response.statusCode = 500;
    response.setHeader(
      'content-type',
      kind === 'html' ? 'text/html' : 'application/json',
    );
    response.setHeader('idempotency-scope', 'bench');
    response.end(kind === 'html' ? '<html>' : body);
  });
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
