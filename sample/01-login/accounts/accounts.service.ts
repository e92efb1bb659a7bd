import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Database } from 'better-sqlite3';
import { SecondFactorService } from '../second-factor/second-factor.service.js';
import { ACCOUNTS_DATABASE } from './accounts.database.js';
import { Passwords } from './passwords.js';
import type { RegisterForm } from './register.form.js';

export interface Account {
  /** Also the user's `unique_id` at GAuthify. Random: never given to another account. */
  id: string;
  name: string;
  email: string | null;
  /** E.164 */
  phone: string | null;
  /** 1 once a code was right: from then on nobody is shown the secret. */
  enrolled: 0 | 1;
}

/** Somebody has an account of this name. */
export class NameTakenError extends Error {}

/** What the application knows of people. Their second factor is GAuthify's. */
@Injectable()
export class AccountsService implements OnApplicationShutdown {
  constructor(
    @Inject(ACCOUNTS_DATABASE) private readonly database: Database,
    private readonly secondFactor: SecondFactorService,
    private readonly passwords: Passwords,
  ) {}

  /**
   * Makes an account, at GAuthify first: there is never one without a second factor.
   *
   * @returns its id
   * @throws NameTakenError
   * @throws BusyError where too many passwords are being hashed
   * @throws GAuthifyError where GAuthify refused, or could not be reached
   */
  async register(form: RegisterForm): Promise<string> {
    const login = loginOf(form.name);
    const taken = 'SELECT 1 FROM accounts WHERE login = ?';
    if (this.database.prepare(taken).get(login)) throw new NameTakenError();
    const { name, email, phone } = form;
    const account = { id: randomUUID(), name, email, phone };
    const password = await this.passwords.hash(form.password);
    await this.secondFactor.create(account);
    try {
      this.database
        .prepare(
          `INSERT INTO accounts (id, login, name, password, email, phone)
           VALUES (@id, @login, @name, @password, @email, @phone)`,
        )
        .run({ ...account, login, password });
      return account.id;
    } catch (error) {
      // Somebody else took the name meanwhile, or the disk is full.
      await this.secondFactor.remove(account.id);
      if ((error as { code?: string }).code === 'SQLITE_CONSTRAINT_UNIQUE')
        throw new NameTakenError();
      throw error;
    }
  }

  /**
   * The account, if the password is right. An unknown name takes as long as a wrong password.
   *
   * @throws BusyError where too many passwords are being hashed
   */
  async signIn(name: string, password: string): Promise<Account | undefined> {
    const account = this.database
      .prepare('SELECT * FROM accounts WHERE login = ?')
      .get(loginOf(name)) as (Account & { password: string }) | undefined;
    return (await this.passwords.matches(password, account?.password))
      ? account
      : undefined;
  }

  find(id: string): Account | undefined {
    return this.database
      .prepare('SELECT * FROM accounts WHERE id = ?')
      .get(id) as Account | undefined;
  }

  markEnrolled(id: string): void {
    this.database
      .prepare('UPDATE accounts SET enrolled = 1 WHERE id = ?')
      .run(id);
  }

  onApplicationShutdown(): void {
    this.database.close();
  }
}

/** Jane and jane are one. */
export function loginOf(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}
