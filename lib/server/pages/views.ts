import { type Html, html } from './html.js';
import { layout } from './layout.js';

/** What a person needs to enrol; nobody who already did is shown it again. */
export interface Enrolment {
  /** data: URL of an image */
  qrCode: string;
  /** base32 */
  key: string;
}

export interface PageContext {
  issuer: string;
  displayName: string;
  /** `undefined` where the user is enrolled */
  enrolment: Enrolment | undefined;
}

const enrolmentView = ({
  issuer,
  displayName,
  enrolment,
}: PageContext): Html =>
  enrolment
    ? html`<img
          src="${enrolment.qrCode}"
          width="240"
          height="240"
          alt="QR code for your authenticator app"
        />
        <p>
          Cannot scan it? Add an account by hand: name
          <b>${issuer}: ${displayName}</b>, key<br /><code
            >${enrolment.key.replace(/.{4}(?=.)/g, '$& ')}</code
          >
        </p>`
    : html``;

export function ezView(
  context: PageContext & { problem?: string | undefined },
): string {
  const title = context.enrolment
    ? `Set up ${context.issuer}`
    : `Confirm it is you`;
  return layout(
    title,
    html`<h1>${title}</h1>
      ${
        context.enrolment &&
        html`<p>
          Scan this code with Google Authenticator or another authenticator app.
        </p>`
      }
      ${enrolmentView(context)}
      ${
        context.problem !== undefined &&
        html`<p role="alert">${context.problem}</p>`
      }
      <form method="post">
        <label for="auth_code">Code from your authenticator app</label>
        <input
          id="auth_code"
          name="auth_code"
          inputmode="numeric"
          autocomplete="one-time-code"
          maxlength="64"
          required
          autofocus
        />
        <button>Confirm</button>
      </form>`,
  );
}

export function tokenView(token: string): string {
  return layout(
    'Confirmed',
    html`<h1>Confirmed</h1>
      <p>Give this token to the site that sent you here. It works once.</p>
      <p><code>${token}</code></p>`,
  );
}

export function instructionsView(context: PageContext): string {
  const title = `Set up ${context.issuer} in your authenticator app`;
  return layout(
    title,
    html`<h1>${title}</h1>
      <ol>
        <li>
          Install Google Authenticator or another authenticator app on your
          phone, from the app store.
        </li>
        <li>Open it, choose to add an account, and scan the QR code.</li>
        <li>
          The app now shows a six-digit code for
          <b>${context.issuer}: ${context.displayName}</b>, a new one every 30
          seconds. Enter it where you are asked for a code.
        </li>
      </ol>
      ${
        context.enrolment
          ? enrolmentView(context)
          : html`<p>
              Your authenticator app is set up already. To move to another
              phone, ask the site for a new QR code.
            </p>`
      }`,
  );
}

export function errorView(title: string, text: string): string {
  return layout(
    title,
    html`<h1>${title}</h1>
      <p>${text}</p>`,
  );
}
