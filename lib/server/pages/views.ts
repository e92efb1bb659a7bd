import { type Html, html } from './html.js';
import { layout } from './layout.js';

/** What a user needs to enrol; not shown again afterwards. */
export interface Enrolment {
  /** data: URL of an image */
  qrCode: string;
  /** base32 */
  key: string;
}

/** The user of a page, and the issuer. */
export interface PageContext {
  issuer: string;
  displayName: string;
}

export interface EnrolmentContext extends PageContext {
  /** `undefined` if the user is enrolled */
  enrolment: Enrolment | undefined;
}

/** Hidden until the script shows it: without the script, the button does nothing. */
const copyButton = (id: string, label: string): Html =>
  html`<button type="button" class="secondary" data-copy="${id}" hidden>
      ${label}</button
    ><span class="copied" role="status"></span>`;

/** Shown in groups of four, and copied without spaces. */
const keyView = (key: string): Html =>
  html`<code id="key"
    >${key.match(/.{1,4}/g)!.map((group) => html`<span>${group}</span><wbr />`)}</code
  >`;

/** The steps of enrolment. */
const setUpSteps = (
  { issuer, displayName }: PageContext,
  { qrCode, key }: Enrolment,
  lastStep: Html,
): Html =>
  html`<ol>
    <li>
      Install Google Authenticator or another authenticator app on your phone.
    </li>
    <li>
      In the app, add an account and scan this QR code.
      <img
        class="qr"
        src="${qrCode}"
        width="240"
        height="240"
        alt="QR code for your authenticator app"
      />
      <details>
        <summary>Can’t scan it? Enter the key by hand</summary>
        <dl>
          <dt>Account name</dt>
          <dd>${issuer}: ${displayName}</dd>
          <dt>Key</dt>
          <dd>
            ${keyView(key)}<br />
            ${copyButton('key', 'Copy key')}
          </dd>
          <dt>Type of key</dt>
          <dd>Time-based</dd>
        </dl>
      </details>
    </li>
    <li>${lastStep}</li>
  </ol>`;

const codeForm = (
  problem: string | undefined,
  hasRecoveryCodes: boolean,
): Html =>
  html`<form method="post">
    <label for="auth_code"
      >Code from your authenticator
      app${hasRecoveryCodes && ', or a recovery code'}</label
    >
    <input
      id="auth_code"
      name="auth_code"
      ${!hasRecoveryCodes && html`inputmode="numeric"`}
      autocomplete="one-time-code"
      maxlength="64"
      required
      autofocus
      aria-invalid="${problem === undefined ? 'false' : 'true'}"
      ${problem !== undefined && html`aria-describedby="auth_code-problem"`}
    />
    ${
      problem !== undefined &&
      html`<p class="field-problem" id="auth_code-problem">${problem}</p>`
    }
    <button>Confirm</button>
  </form>`;

export function ezView({
  enrolment,
  problem,
  hasRecoveryCodes,
  ...context
}: EnrolmentContext & {
  problem?: string | undefined;
  /** A phone’s numeric keyboard has no letters. */
  hasRecoveryCodes: boolean;
}): string {
  const { issuer, displayName } = context;
  const title = enrolment
    ? 'Set up your authenticator app'
    : 'Confirm that it’s you';
  const form = codeForm(problem, hasRecoveryCodes);
  return layout(
    title,
    html`<h1>${title}</h1>
      ${
        enrolment
          ? setUpSteps(
              context,
              enrolment,
              html`Enter the six-digit code that the app shows. ${form}`,
            )
          : html`<p>
                Open your authenticator app and enter the code it shows for
                <b>${issuer}: ${displayName}</b>.
              </p>
              ${form}`
      }`,
    {
      issuer,
      account: displayName,
      problem: problem !== undefined,
      copyButton: enrolment !== undefined,
    },
  );
}

export function tokenView(
  { issuer, displayName }: PageContext,
  token: string,
): string {
  return layout(
    'Confirmed',
    html`<h1>Confirmed</h1>
      <p>
        Your code was right. Give this token to the site that sent you here. It
        works once, within the next few minutes.
      </p>
      <p><code id="token">${token}</code></p>
      <p>${copyButton('token', 'Copy token')}</p>`,
    { issuer, account: displayName, copyButton: true },
  );
}

export function instructionsView({
  enrolment,
  ...context
}: EnrolmentContext): string {
  const { issuer, displayName } = context;
  const title = enrolment
    ? 'Set up your authenticator app'
    : 'Your authenticator app is set up';
  const codes = html`a six-digit code for <b>${issuer}: ${displayName}</b>, and
    a new one every 30 seconds`;
  return layout(
    title,
    html`<h1>${title}</h1>
      ${
        enrolment
          ? setUpSteps(
              context,
              enrolment,
              html`The app now shows ${codes}. Enter the current code where you
              are asked for it.`,
            )
          : html`<p>
                The app shows ${codes}. Enter the current code where you are
                asked for it.
              </p>
              <p>
                New phone? Ask the site that sent you here for a new QR code.
              </p>`
      }`,
    { issuer, account: displayName, copyButton: enrolment !== undefined },
  );
}

export function errorView(
  issuer: string | undefined,
  title: string,
  text: string,
): string {
  return layout(
    title,
    html`<h1>${title}</h1>
      <p>${text}</p>`,
    { issuer },
  );
}
