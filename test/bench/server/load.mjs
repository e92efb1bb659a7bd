/** The load, in a process of its own: sends each of the bodies once, and counts the answers that say `true`. */
import autocannon from 'autocannon';

process.once(
  'message',
  async ({ urls, bodies, headers, withKeys, inFlight }) => {
    let next = 0;
    let right = 0;
    const run = `${process.pid}-${Date.now()}`;
    const instances = urls.map((url, i) =>
      autocannon({
        url,
        connections: inFlight / urls.length,
        amount: Math.floor(bodies.length / urls.length),
        requests: [
          {
            method: 'POST',
            setupRequest: (request) => {
              const number = next++;
              return {
                ...request,
                body: JSON.stringify(bodies[number % bodies.length]),
                headers: {
                  ...headers,
                  'content-type': 'application/json',
                  ...(withKeys && { 'idempotency-key': `${run}-${number}` }),
                },
              };
            },
            onResponse: (status, body) => {
              if (
                status === 200 &&
                /"(authenticated|token)":(true|")/.test(body)
              )
                right += 1;
            },
          },
        ],
      }),
    );
    const results = await Promise.all(instances);
    const seconds = Math.max(...results.map(({ duration }) => duration));
    const sent = results.reduce((sum, { requests }) => sum + requests.total, 0);
    process.send({
      perSecond: sent / seconds,
      p50: Math.max(...results.map(({ latency }) => latency.p50)),
      p99: Math.max(...results.map(({ latency }) => latency.p99)),
      sent,
      right,
    });
    process.disconnect();
  },
);
