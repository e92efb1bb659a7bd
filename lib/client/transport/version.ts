/**
 * Version of this package, sent in `User-Agent`. A constant and not a read of
 * package.json, which a bundler would leave behind; a test holds the two equal.
 */
export const VERSION = '0.1.0';
