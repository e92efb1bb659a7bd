/** The documentation as text: its code blocks, tables, headings and links. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A fenced block, or a part of a program with the lines that its comment `<!-- before: … -->` puts before it. */
export interface Block {
  /** `docs/client.md:12` */
  name: string;
  language: string;
  source: string;
}

/** Every page of the repository. */
export const PAGES: readonly string[] = [
  ...readdirSync('.').filter((file) => file.endsWith('.md')),
  ...readdirSync('docs')
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

export const read = (page: string): string => readFileSync(page, 'utf8');

export function blocksOf(page: string): Block[] {
  const text = read(page);
  const blocks = text.matchAll(
    /(?:<!-- before: ([^]*?) -->\n+)?^```(\w*)\n([^]*?)^```$/gm,
  );
  return [...blocks].map(([, before = '', language, source, ...rest]) => {
    const line = text.slice(0, rest[0] as unknown as number).split('\n').length;
    return {
      name: `${page}:${line}`,
      language: language!,
      source: before ? `${before}\n${source!}` : source!,
    };
  });
}

/** The first name in each row of a table, as `mfa.proof.secret`, and what the comment before the table names. */
export interface ListedTable {
  page: string;
  subjects: string[];
  names: string[];
}

/** The tables that a comment `<!-- kind: A, B -->` stands before. */
export function tablesOf(kind: string): ListedTable[] {
  const pattern = new RegExp(
    `<!-- ${kind}(?:: (.*?))? -->\\n+((?:\\|.*\\n)+)`,
    'g',
  );
  return PAGES.flatMap((page) =>
    [...read(page).matchAll(pattern)].map(([, subjects = '', table]) => ({
      page,
      subjects: subjects.split(', '),
      names: table!
        .trim()
        .split('\n')
        .slice(2)
        .map((row) => /`([^`]+)`/.exec(row)![1]!),
    })),
  );
}

/** Anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

/** Links of a page to other pages, and to places on them. */
export function linksOf(page: string): { path: string; anchor?: string }[] {
  const links = read(page).matchAll(
    /\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)/g,
  );
  return [...links].map(([, path, anchor]) => ({
    path: path || basename(page),
    anchor,
  }));
}
