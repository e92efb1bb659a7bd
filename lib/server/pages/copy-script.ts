/**
 * The only script of the pages: shows the copy buttons and makes them work.
 * Without it, one click still selects the whole key.
 *
 * `navigator.clipboard` is missing over plain HTTP, and refused in a frame on
 * another site; `execCommand` is allowed there after a click.
 */
export const COPY_SCRIPT = `
for (const button of document.querySelectorAll('button[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  const status = button.nextElementSibling;
  const copySelected = () => {
    getSelection().selectAllChildren(source);
    return document.execCommand('copy');
  };
  button.addEventListener('click', async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      copied = copySelected();
    }
    status.textContent = copied ? 'Copied' : 'Not copied: press Ctrl+C';
  });
  button.hidden = false;
}
`;
