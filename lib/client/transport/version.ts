/**
 * Version of this package, sent in `User-Agent`. A constant, not read from
 * package.json, which a bundler would leave behind; a test keeps the two equal.
 */
export const VERSION = '0.1.0';
