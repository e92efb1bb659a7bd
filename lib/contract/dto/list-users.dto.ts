import {
  IsInt,
  IsOptional,
  IsString,
  Max,
  Matches,
  MaxLength,
  Min,
} from 'class-validator';
import { asInteger, asText } from './from-wire.js';
import { WireName } from './wire-name.decorator.js';

/** Query of `GET users/`. */
export class ListUsersDto {
  /** 1-based; all users where it is left out. */
  @WireName('page', asInteger)
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000_000)
  page?: number | undefined;

  /** Users a page, 1–1000. @default 100 */
  @WireName('page_size', asInteger)
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1000)
  pageSize?: number | undefined;

  /**
   * The page that comes after this `unique_id`, in the order of the ids;
   * empty: the first. `page` then means nothing. Unlike page numbers, it loses
   * nobody when users are deleted between two pages.
   */
  @WireName('after', asText)
  @IsOptional()
  @IsString()
  @MaxLength(255)
  @Matches(/^[^\0]*$/, { message: '$property must not contain NUL' })
  after?: string | undefined;
}
