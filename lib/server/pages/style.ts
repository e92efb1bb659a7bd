/** The style sheet of every page: the card, type scale and colours of the samples. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #f4f6fa; --card: #fff; --text: #1a1f2b; --soft: #566074;
  --line: #7b8496; --accent: #1c5fd4; --on-accent: #fff; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10131a; --card: #1a1f2a; --text: #e7eaf1; --soft: #a5aec0;
    --line: #7a8499; --accent: #8ab4f8; --on-accent: #0b1a33; --bad: #f2b8b5; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main { width: min(100% - 2rem, 28rem); margin-inline: auto; }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .25rem 1rem; min-height: 3.5rem; padding-block: .5rem; }
header p { margin: 0; min-width: 0; }
.brand { font-weight: 700; }
.account, .hint { color: var(--soft); font-size: .875rem; }
main { margin-bottom: 2rem; padding: 1.5rem; background: var(--card); border-radius: 1rem; box-shadow: 0 1px 4px #0003; }
@media (min-width: 40rem) { header { margin-top: 2rem; } main { padding: 2rem; } }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; }
main > :last-child { margin-bottom: 0; }
a { color: var(--accent); }
ol { margin: 0; padding-left: 1.25rem; }
li + li { margin-top: 1rem; }
.qr { display: block; width: min(100%, 15rem); height: auto; margin: .75rem auto; border-radius: .5rem; background: #fff; }
summary { min-height: 1.5rem; cursor: pointer; }
dl { margin: .75rem 0 0; }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0 0 .5rem; }
code { font: 1rem/1.6 ui-monospace, monospace; user-select: all; }
code span { margin-right: .5ch; }
form { margin: 0; }
ol form { margin-top: .25rem; }
label { display: block; font-weight: 600; }
input, button { width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border-radius: .5rem; font: inherit; }
input { margin-top: .25rem; border: 1px solid var(--line); background: transparent; color: inherit; font-size: 1.5rem; font-variant-numeric: tabular-nums; letter-spacing: .2em; }
input[aria-invalid=true] { border: 2px solid var(--bad); }
.field-problem { margin: .25rem 0 0; color: var(--bad); font-size: .875rem; }
button { margin-top: 1.25rem; border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent); font-weight: 600; cursor: pointer; }
button.secondary { width: auto; margin-top: .5rem; background: transparent; color: var(--accent); }
.copied { margin-left: .75rem; color: var(--soft); font-size: .875rem; }
h2 { margin: 2rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.125rem; line-height: 1.4; }
h3 { margin: 1rem 0 0; font-size: 1rem; }
.wide main { width: min(100% - 2rem, 48rem); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
`;
