/** The load, in a process of its own: sends each of the bodies once, and counts the answers that say `true`. */
import autocannon from 'autocannon';

process.once(
  'message',
  async ({ urls, bodies, headers, withKeys, inFlight }) => {
    let next = 0;
    let right = 0;
    /** The first answer that was not right. */
    let wrong;
    const run = `${process.pid}-${Date.now()}`;
    const began = performance.now();
    let last;
    const instances = urls.map((url) =>
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
              last = performance.now();
              if (
                status === 200 &&
                /"(authenticated|token)":(true|")/.test(body)
              )
                right += 1;
              else wrong ??= `${status} ${body}`;
            },
          },
        ],
      }),
    );
    const results = await Promise.all(instances);
    // Its own `duration` is rounded to seconds.
    const seconds = (last - began) / 1000;
    const sent = results.reduce((sum, { requests }) => sum + requests.total, 0);
    process.send({
      perSecond: sent / seconds,
      p50: Math.max(...results.map(({ latency }) => latency.p50)),
      p99: Math.max(...results.map(({ latency }) => latency.p99)),
      sent,
      right,
      wrong,
    });
    process.disconnect();
  },
);
