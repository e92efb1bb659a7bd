/** What to do again once the second factor was accepted. */
let pending;

const $ = (id) => document.getElementById(id);
const show = (id, shown) => ($(id).hidden = !shown);

function complain(message) {
  $('problem').textContent = message ?? '';
  show('problem', message);
}

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }),
  });
  const answer = await response.json();
  if (!response.ok) throw answer;
  return answer;
}

/** Does something that may need a second factor, asks for what is missing, and does it then. */
async function attempt(action) {
  complain();
  try {
    await action();
  } catch (answer) {
    if (answer.code === 'mfa_required') await ask(action, false);
    else if (answer.code === 'mfa_enrollment_required') await ask(action, true);
    else complain(answer.message);
  }
}

async function ask(action, enrol) {
  pending = { action, confirm: enrol ? '/mfa/enroll/confirm' : '/mfa/verify' };
  if (enrol) {
    const { key, qr } = await call('POST', '/mfa/enroll');
    $('key').textContent = key.replace(/.{4}(?=.)/g, '$& ');
    $('qr').src = `data:image/svg+xml,${encodeURIComponent(qr)}`;
  }
  show('enrolment', enrol);
  show('second-factor', true);
  show('account', false);
  $('code').value = '';
  $('code').focus();
}

async function pay(method) {
  const payments = await call(method, '/payments');
  $('payments').replaceChildren(
    ...(payments.length ? payments : ['None yet']).map((text) =>
      Object.assign(document.createElement('li'), { textContent: text }),
    ),
  );
}

$('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  void attempt(async () => {
    await call('POST', '/sign-in', { name: $('name').value });
    show('sign-in', false);
    show('account', true);
  });
});

$('list').addEventListener('click', () => void attempt(() => pay('GET')));
$('pay').addEventListener('click', () => void attempt(() => pay('POST')));

$('second-factor').addEventListener('submit', (event) => {
  event.preventDefault();
  void attempt(async () => {
    await call('POST', pending.confirm, { code: $('code').value });
    show('second-factor', false);
    show('account', true);
    await pending.action();
  });
});
