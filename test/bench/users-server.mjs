/** A process of its own: pages of users which it makes up, `argv[2]` in all. */
import { createServer } from 'node:http';

const total = Number(process.argv[2]);
const user = (i) => ({
  unique_id: `user-${i}`,
  display_name: `User ${i}`,
  email: `user-${i}@example.com`,
  sms_number: null,
  voice_number: null,
  meta: null,
  key: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
  otp: '12345678',
  qr_url: `http://127.0.0.1/v1/qr/${i}`,
  ez_url: `http://127.0.0.1/v1/ez/${i}`,
  instructions_url: `http://127.0.0.1/v1/instructions/${i}`,
  display_text: `User ${i}`,
  created_at: '2026-01-01T00:00:00.000Z',
  groups: [],
});

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://x');
  // All of them where no page is asked for, as GAuthify does.
  const size = Number(searchParams.get('page_size') ?? total);
  const after = searchParams.get('after');
  const from = after ? Number(after.slice('user-'.length)) + 1 : 0;
  const data = Array.from(
    { length: Math.max(0, Math.min(size, total - from)) },
    (_, i) => user(from + i),
  );
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ data }));
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
