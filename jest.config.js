import { availableParallelism } from 'node:os';

/** ESM under jest: run with `node --experimental-vm-modules`; see `npm run jest`. */
export default {
  testEnvironment: 'node',
  globalSetup: '<rootDir>/test/helpers/postgres-setup.mjs',
  globalTeardown: '<rootDir>/test/helpers/postgres-teardown.mjs',
  // For what hangs; a busy machine is no failure.
  testTimeout: 30_000,
  // Half of them wait for sockets and programs: one worker a core would leave cores idle.
  maxWorkers: availableParallelism() + 1,
  testMatch: ['<rootDir>/lib/**/*.spec.ts', '<rootDir>/test/**/*.e2e-spec.ts'],
  // A global is slow to read inside jest's vm: drawing a QR code took 30 times as long.
  sandboxInjectedGlobals: ['Math'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
      },
    ],
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // Its ESM build imports JSON in a way that jest warns of at every suite.
    '^libphonenumber-js/(min|max)$':
      '<rootDir>/node_modules/libphonenumber-js/$1/index.cjs',
    // @fastify/static requires an ES module, which Node does and jest does not
    // before Node 24.9. Express' copy is the last that is none, and does the same.
    '^content-disposition$':
      '<rootDir>/node_modules/content-disposition/dist/index.js',
    '^nestjs-gauthify$': '<rootDir>/lib/index.ts',
    '^nestjs-gauthify/(server|testing)$': '<rootDir>/lib/$1/index.ts',
  },
};
