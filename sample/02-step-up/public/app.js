const $ = (id) => document.getElementById(id);

/** What to do once a code was accepted, and where the code goes. */
let pending;

/** One thing at a time: a second click on `Pay` is none. */
let busy = false;

function say(id, message) {
  $(id).textContent = message ?? '';
  $(id).hidden = !message;
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }),
    });
  } catch {
    throw { message: 'The server cannot be reached. Try again in a moment.' };
  }
  const answer = await response.json();
  if (response.ok) return answer;
  const signedOut =
    response.status === 401 &&
    (!answer.code || answer.code === 'mfa_not_signed_in');
  throw { ...answer, signedOut };
}

function sentenceOf({ message, retryAfterSeconds }) {
  return retryAfterSeconds
    ? `Too many wrong codes. Try again in ${retryAfterSeconds} seconds.`
    : message;
}

/** Does something that may need a second factor. If it does, asks for it first. */
async function attempt(action, what) {
  if (busy) return;
  busy = true;
  say('problem');
  say('notice');
  try {
    await action();
  } catch (answer) {
    if (answer.signedOut) showSignIn('You were signed out. Sign in again.');
    else if (answer.code === 'mfa_required') ask(action, what);
    else if (answer.code === 'mfa_enrollment_required')
      await enrol(action, what);
    else say('problem', sentenceOf(answer));
  } finally {
    busy = false;
  }
}

/** Opens the dialog. The browser puts the focus into it, and back when it closes. */
function ask(action, what, enrolment) {
  const path = enrolment ? '/mfa/enroll/confirm' : '/mfa/verify';
  pending = { action, what, path };
  $('what').textContent = what;
  $('enrolment').hidden = !enrolment;
  if (enrolment) {
    $('qr').src = enrolment.qr;
    $('key').textContent = enrolment.key;
  }
  $('code').value = '';
  complainOfCode('');
  $('second-factor').showModal();
  $('code').focus();
}

async function enrol(action, what) {
  try {
    const { key, qr } = await call('POST', '/mfa/enroll');
    ask(action, what, {
      qr: `data:image/svg+xml,${encodeURIComponent(qr)}`,
      key: key.replace(/.{4}(?=.)/g, '$& '),
    });
  } catch (answer) {
    say('problem', sentenceOf(answer));
  }
}

function complainOfCode(message) {
  $('code-problem').textContent = message;
  $('code').setAttribute('aria-invalid', String(message !== ''));
  if (message) $('code').select();
}

async function confirmCode() {
  const code = $('code').value.replace(/[\s-]/g, '');
  // What can be no code is not tried: mistyping costs no attempt.
  if (!/^\d{6}$/.test(code)) return complainOfCode('Enter the 6-digit code.');
  if (busy) return;
  busy = true;
  const { action, what, path } = pending;
  try {
    await call('POST', path, { code });
  } catch (answer) {
    if (!answer.signedOut) return complainOfCode(sentenceOf(answer));
    $('second-factor').close();
    return showSignIn('You were signed out. Sign in again.');
  } finally {
    busy = false;
  }
  // Cancelled meanwhile: then nothing is done.
  if (pending?.action !== action) return;
  $('second-factor').close();
  await attempt(action, what);
}

function showSignIn(problem) {
  $('nav').hidden = true;
  $('account').hidden = true;
  $('payments').hidden = true;
  $('payments').replaceChildren();
  $('sign-in').hidden = false;
  say('notice');
  say('problem', problem);
  $('name').focus();
}

async function showAccount(name) {
  const invoices = await call('GET', '/invoices');
  $('signed-in-as').textContent = name;
  $('invoices').replaceChildren(...invoices.map(invoiceRow));
  $('nav').hidden = false;
  $('sign-in').hidden = true;
  $('account').hidden = false;
}

const textOf = (tag, textContent) =>
  Object.assign(document.createElement(tag), { textContent });

function invoiceRow({ id, to, amount, paid }) {
  const row = document.createElement('li');
  const button = textOf('button', `Pay ${amount}`);
  row.dataset.invoice = id;
  button.setAttribute('aria-label', `Pay ${amount} to ${to}`);
  button.addEventListener('click', () => {
    const pay = async () => {
      showPayments(await call('POST', '/payments', { invoice: id }));
      say('notice', `You paid ${amount} to ${to}.`);
      // The button is gone, and the focus with it.
      $('notice').focus();
    };
    void attempt(pay, `Pay ${amount} to ${to}`);
  });
  row.append(textOf('span', to), paid ? textOf('span', 'Paid') : button);
  return row;
}

function showPayments(payments) {
  const lines = payments.length ? payments : [{ text: 'Nothing yet' }];
  $('payments').replaceChildren(
    ...lines.map(({ invoice, text }) => {
      document
        .querySelector(`[data-invoice="${invoice}"] button`)
        ?.replaceWith(textOf('span', 'Paid'));
      return textOf('li', text);
    }),
  );
  $('payments').hidden = false;
}

$('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  void attempt(async () => {
    const { name } = await call('POST', '/sign-in', { name: $('name').value });
    await showAccount(name);
    $('list').focus();
  });
});

$('sign-out').addEventListener('click', () => {
  void attempt(async () => {
    await call('POST', '/sign-out');
    showSignIn();
  });
});

$('list').addEventListener('click', () => {
  const list = async () => showPayments(await call('GET', '/payments'));
  void attempt(list, 'Show payments');
});

$('code-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void confirmCode();
});

$('cancel').addEventListener('click', () => {
  const { what } = pending;
  $('second-factor').close();
  say('notice', `Cancelled: ${what}`);
});

$('second-factor').addEventListener('close', () => {
  pending = undefined;
  // The secret is in the page only as long as it is to be seen.
  $('qr').removeAttribute('src');
  $('key').textContent = '';
});

// A page that is loaded again goes on where the session is.
void attempt(async () => {
  const { name } = await call('GET', '/sign-in');
  if (name) await showAccount(name);
  else showSignIn();
});
